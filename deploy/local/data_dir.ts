/**
 * Where the local servers keep their data and their programs.
 *
 * Normally that is `<project>/.hexmile/`: one folder to delete, nothing elsewhere. Postgres refuses
 * to run as root and Redis should not, so when Hexmile itself runs as root the servers run as an
 * unprivileged user; if the clone lies where that user cannot go (a root home is mode 700), the
 * folder moves to `/var/tmp/hexmile-<hash of the clone's path>`.
 */
import { createHash } from "node:crypto";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { isAbsent, type ServerUser } from "./program.ts";
import { reasonOf, SetupError } from "./setup_error.ts";

/** The clone this file belongs to. */
export const PROJECT_DIR: string = fileURLToPath(new URL("../../", import.meta.url)).replace(
  /\/$/,
  "",
);

/** The folders of one run, all of them existing and reachable by the servers' user. */
export interface LocalPlace {
  /** `<project>/.hexmile` or its substitute: shared by all runs of this clone. */
  readonly baseDir: string;
  /** Server programs fetched or copied once, shared by all runs of this clone. */
  readonly programsDir: string;
  /** Data, passwords and the run record of this run. */
  readonly dataDir: string;
  /** Whom the servers run as; undefined means the user who runs Hexmile. */
  readonly user: ServerUser | undefined;
  /** One line to print when the folder is not the usual one. */
  readonly note: string | undefined;
}

/** What decides the place; the defaults are this process and this clone. */
export interface PlaceOptions {
  readonly projectDir?: string;
  /** A data folder chosen by the user (`--data`); programs stay in the base folder. */
  readonly dataDir?: string | undefined;
  /** Name of the data folder inside the base folder. */
  readonly name?: string;
  /** For tests: a user to run the servers as, in place of the one found. */
  readonly user?: ServerUser | undefined;
}

/**
 * Chooses and creates the folders of a run. Throws `SetupError` when a folder cannot be written, or
 * when the data folder chosen by the user cannot be reached by the servers' user.
 */
export async function chooseLocalPlace(options: PlaceOptions = {}): Promise<LocalPlace> {
  const projectDir = options.projectDir ?? PROJECT_DIR;
  const user = options.user ?? await serverUser();
  const wanted = join(projectDir, ".hexmile");
  let baseDir = wanted;
  let note: string | undefined;
  if (user !== undefined && !await canReach(projectDir, user)) {
    baseDir = join("/var/tmp", `hexmile-${shortHash(projectDir)}`);
    note = `Data and server programs are in ${baseDir}: the servers do not run as root, ` +
      `and their user cannot enter ${projectDir}.`;
    await requireOwnFolder(baseDir);
  }
  const dataDir = options.dataDir === undefined
    ? join(baseDir, options.name ?? "demo")
    : resolve(options.dataDir);
  const programsDir = join(baseDir, "programs");
  for (const dir of [baseDir, programsDir, dataDir]) await makeOpenFolder(dir);
  if (user !== undefined && !await canReach(dataDir, user)) {
    throw new SetupError(
      `The data folder ${dataDir} cannot be reached by the unprivileged user that runs the ` +
        `servers (a folder above it is closed to others): choose another one with --data.`,
    );
  }
  return { baseDir, programsDir, dataDir, user, note };
}

/**
 * Whom the servers run as: undefined for an ordinary user (the servers are theirs), `nobody` for
 * root. No user is created: a demo must not leave an account behind, `nobody` exists on every
 * Unix, and the folders it gets are mode 700 inside a folder of root. Throws `SetupError` when
 * there is no `nobody`.
 */
export async function serverUser(uid: number | null = Deno.uid()): Promise<ServerUser | undefined> {
  if (uid !== 0) return undefined;
  const found = findUser(await Deno.readTextFile("/etc/passwd"), "nobody");
  if (found !== undefined) return found;
  throw new SetupError(
    "Running as root, and /etc/passwd has no user nobody to run the servers as: " +
      "run as an ordinary user, or set DATABASE_URL and REDIS_URL.",
  );
}

/** The ids of a user in the text of /etc/passwd (`name:x:uid:gid:...`, passwd(5)). */
export function findUser(passwd: string, name: string): ServerUser | undefined {
  for (const line of passwd.split("\n")) {
    const [user, , uid, gid] = line.split(":");
    if (user !== name) continue;
    if (uid === undefined || gid === undefined || !/^\d+$/.test(uid) || !/^\d+$/.test(gid)) {
      continue;
    }
    return { uid: Number(uid), gid: Number(gid) };
  }
  return undefined;
}

/** Whether a user may go through a folder: its x bit for that user (path_resolution(7)). */
export function mayEnter(
  folder: { mode: number | null; uid: number | null; gid: number | null },
  user: ServerUser,
): boolean {
  if (folder.mode === null) return true;
  if (folder.uid === user.uid) return (folder.mode & 0o100) !== 0;
  if (folder.gid === user.gid) return (folder.mode & 0o010) !== 0;
  return (folder.mode & 0o001) !== 0;
}

/** Whether `user` may go through `path` and every folder above it (symbolic links followed). */
export async function canReach(path: string, user: ServerUser): Promise<boolean> {
  let folder = await Deno.realPath(path);
  while (true) {
    if (!mayEnter(await Deno.stat(folder), user)) return false;
    const parent = dirname(folder);
    if (parent === folder) return true;
    folder = parent;
  }
}

/** 12 hexadecimal digits that name a path, for folders and containers outside the clone. */
export function shortHash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}

/**
 * A predictable name in /var/tmp could have been taken by someone else, who could then swap the
 * programs we start: only a real folder of this user, writable by nobody else, is accepted.
 */
async function requireOwnFolder(dir: string): Promise<void> {
  let info: Deno.FileInfo;
  try {
    info = await Deno.lstat(dir);
  } catch (error) {
    if (isAbsent(error)) return;
    throw error;
  }
  const writableByOthers = info.mode !== null && (info.mode & 0o022) !== 0;
  if (info.isDirectory && info.uid === Deno.uid() && !writableByOthers) return;
  throw new SetupError(`${dir} exists and is not a private folder of this user: remove it.`);
}

/** Creates a folder that others may enter, whatever the umask is (a umask of 077 would hide it). */
export async function makeOpenFolder(dir: string): Promise<void> {
  try {
    if (await exists(dir)) return;
    await Deno.mkdir(dir, { recursive: true });
    await Deno.chmod(dir, 0o755);
  } catch (error) {
    throw new SetupError(`Cannot create the folder ${dir}: ${reasonOf(error)}.`, { cause: error });
  }
}

/**
 * Creates a folder for one server: mode 700 and owned by `user`. Throws `SetupError` when it exists
 * and belongs to someone else (the clone was used by two users).
 */
export async function makePrivateFolder(dir: string, user: ServerUser | undefined): Promise<void> {
  try {
    await Deno.mkdir(dir, { recursive: true, mode: 0o700 });
    const info = await Deno.stat(dir);
    if (user !== undefined && info.uid === Deno.uid()) await Deno.chown(dir, user.uid, user.gid);
    const owner = (await Deno.stat(dir)).uid;
    const expected = user?.uid ?? Deno.uid();
    if (owner !== null && expected !== null && owner !== expected) {
      throw new SetupError(
        `${dir} belongs to user ${owner} and the servers run as user ${expected}: ` +
          `run as the same user as before, choose another folder with --data, or remove it.`,
      );
    }
  } catch (error) {
    if (error instanceof SetupError) throw error;
    throw new SetupError(`Cannot prepare the folder ${dir}: ${reasonOf(error)}.`, { cause: error });
  }
}

/** Whether a path exists, following links; other failures than absence are thrown. */
export async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}
