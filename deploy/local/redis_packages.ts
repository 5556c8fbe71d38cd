/**
 * A private Redis from the packages of Debian or Ubuntu, without installing anything: the packages
 * are downloaded and unpacked into a folder. It works for root and for ordinary users alike, and no
 * system daemon is started (installing `redis-server` would start one on port 6379).
 *
 * The server is in the package of tools: `redis-check-rdb` is the same program, which decides by
 * its name what to be (redis: src/server.c, main).
 */
import { basename, join } from "node:path";
import { exists } from "./data_dir.ts";
import {
  findOnPath,
  lastLine,
  type ProgramOptions,
  type ProgramResult,
  runProgram,
  throwIfStopped,
} from "./program.ts";
import { finishWorkFolder, makeWorkFolder } from "./work_folder.ts";
import { findVersion, isAtLeast, NEEDED_REDIS } from "./version.ts";

/** A server program and the environment it needs. */
export interface RedisProgram {
  readonly command: string;
  readonly env: Readonly<Record<string, string>>;
  readonly version: string;
}

const APT_TIMEOUT_MS = 180_000;
const UNPACK_TIMEOUT_MS = 60_000;
const VERSION_TIMEOUT_MS = 10_000;
/** Levels of libraries below the tools; it is three today. */
const MAX_LIBRARY_LEVELS = 8;

const PACKAGES = [
  { name: "redis-tools", program: "redis-check-rdb" },
  { name: "valkey-tools", program: "valkey-check-rdb" },
] as const;

/** Where and as whom the packages are fetched. */
export interface FetchOptions {
  readonly programsDir: string;
  readonly path: string;
  readonly say: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
  readonly runAs: Pick<ProgramOptions, "user">;
}

/** Named by platform: a clone may be shared with a container or a virtual machine. */
function redisFolder(options: FetchOptions): string {
  return join(options.programsDir, `redis-${Deno.build.os}-${Deno.build.arch}`);
}

/** A program that was fetched by an earlier run and still runs. */
export async function cachedRedis(options: FetchOptions): Promise<RedisProgram | undefined> {
  const folder = redisFolder(options);
  if (!await exists(join(folder, "redis-server"))) return undefined;
  const checked = await checkProgram(folder, options);
  return checked.outcome === "found" ? checked.program : undefined;
}

/**
 * Fetches a Redis or Valkey that is new enough and puts it into `programsDir`. Answers the
 * reason as a text when that is not possible; throws `SetupError` only when stopped.
 */
export async function fetchRedisPackages(options: FetchOptions): Promise<RedisProgram | string> {
  for (const tool of ["apt-get", "apt-cache", "dpkg", "dpkg-query"]) {
    if (findOnPath([tool], options.path) === undefined) return "this is not Debian or Ubuntu";
  }
  const work = await makeWorkFolder(options.programsDir, "redis");
  try {
    options.say("Redis: fetching packages with apt-get into a private folder (nothing installed)");
    // The machine's own package lists first. They may be empty (most container images) or name
    // versions that are gone; then lists of our own, which need no rights.
    const first = await fetchFirst({ ...options, work, lists: [] });
    if (first.outcome === "found") return first.program;
    if (first.outcome === "too old") return first.reason;
    options.say("Redis: the package lists are missing or old; fetching private ones");
    const lists = await privateLists(join(work, "apt"));
    const update = await apt("apt-get", [...lists, "update"], options);
    if (!update.ok) return `apt-get update: ${lastLine(update)}`;
    const second = await fetchFirst({ ...options, work, lists });
    if (second.outcome === "found") return second.program;
    // apt-get update succeeds also when it could fetch nothing, and only warns.
    const warning = /^W: (Failed to fetch .*)$/m.exec(update.stderr)?.[1]?.trim();
    return warning === undefined ? second.reason : `${second.reason}; ${warning}`;
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

type Fetched =
  | { readonly outcome: "found"; readonly program: RedisProgram }
  | { readonly outcome: "too old" | "failed"; readonly reason: string };

/** The first package that gives a server; the reason is that of the first, which is expected. */
async function fetchFirst(options: OneFetch): Promise<Fetched> {
  let refused: Fetched | undefined;
  for (const { name, program } of PACKAGES) {
    const fetched = await fetchOne(name, program, options);
    if (fetched.outcome === "found") return fetched;
    refused ??= fetched;
  }
  return refused ?? { outcome: "failed", reason: "no package is known" };
}

/** Options that keep apt's lists and downloads in a folder of ours. */
async function privateLists(folder: string): Promise<string[]> {
  await Deno.mkdir(join(folder, "state/lists/partial"), { recursive: true });
  await Deno.mkdir(join(folder, "cache/archives/partial"), { recursive: true });
  const settings = [
    `Dir::State=${folder}/state`,
    `Dir::State::lists=${folder}/state/lists`,
    "Dir::State::status=/var/lib/dpkg/status",
    `Dir::Cache=${folder}/cache`,
    "APT::Sandbox::User=",
    "Acquire::Retries=2",
    "Acquire::http::Timeout=20",
    "Acquire::https::Timeout=20",
  ];
  return settings.flatMap((setting) => ["-o", setting]);
}

interface OneFetch extends FetchOptions {
  readonly work: string;
  readonly lists: readonly string[];
}

async function fetchOne(
  packageName: string,
  programName: string,
  options: OneFetch,
): Promise<Fetched> {
  const failed = (reason: string): Fetched => ({ outcome: "failed", reason });
  const names = await withLibraries(packageName, options);
  if (typeof names === "string") return failed(names);
  const folder = join(options.work, `${packageName}-${options.lists.length}`);
  await Deno.mkdir(join(folder, "tree"), { recursive: true });
  const download = await apt("apt-get", [...options.lists, "download", ...names], options, folder);
  if (!download.ok) return failed(`apt-get download: ${lastLine(download)}`);
  for await (const entry of Deno.readDir(folder)) {
    if (!entry.name.endsWith(".deb")) continue;
    const args = ["-x", join(folder, entry.name), join(folder, "tree")];
    const { signal } = options;
    const unpack = await runProgram("dpkg", args, { timeoutMs: UNPACK_TIMEOUT_MS, signal });
    if (!unpack.ok) return failed(`dpkg -x ${entry.name}: ${lastLine(unpack)}`);
  }
  await keepNeededFiles(folder, programName);
  const made = await checkProgram(folder, { ...options, runAs: {} });
  if (made.outcome !== "found") return made;
  const final = redisFolder(options);
  // One that is there has been tried already (`cachedRedis`) and does not run.
  const there = await cachedRedis(options);
  if (there !== undefined) return { outcome: "found", program: there };
  if (await exists(final)) await Deno.remove(final, { recursive: true });
  await finishWorkFolder(folder, final);
  return await checkProgram(final, options);
}

function apt(
  command: string,
  args: readonly string[],
  options: FetchOptions,
  cwd?: string,
): Promise<ProgramResult> {
  return runProgram(command, args, {
    env: { LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" },
    timeoutMs: APT_TIMEOUT_MS,
    signal: options.signal,
    ...(cwd === undefined ? {} : { cwd }),
  });
}

/** The package and the libraries below it that this machine does not have. */
async function withLibraries(name: string, options: OneFetch): Promise<string[] | string> {
  const wanted = [name];
  let level = [name];
  for (let depth = 0; depth < MAX_LIBRARY_LEVELS && level.length > 0; depth++) {
    const answer = await apt("apt-cache", [...options.lists, "depends", ...level], options);
    if (!answer.ok) return `apt-cache depends ${name}: ${lastLine(answer)}`;
    const found = libraryGroups(answer.stdout);
    const installed = await installedPackages([...new Set(found.flat())], options);
    level = found.filter((group) => !group.some((one) => installed.has(one)))
      .flatMap((group) => group.slice(0, 1)).filter((one) => !wanted.includes(one));
    level = [...new Set(level)];
    wanted.push(...level);
  }
  return wanted;
}

/**
 * The libraries a package needs, from the text of `apt-cache depends`: groups of alternatives, of
 * which one is enough. `|Depends:` says that the next line is an alternative of this one.
 */
export function libraryGroups(text: string): string[][] {
  const groups: string[][] = [];
  let group: string[] = [];
  for (const line of text.split("\n")) {
    const match = /^\s*(\|?)(?:Pre)?Depends: (\S+)/.exec(line);
    if (match === null) continue;
    const [, more, name = ""] = match;
    if (/^lib[a-z0-9]/.test(name)) group.push(name.replace(/:[a-z0-9]+$/, ""));
    if (more === "|") continue;
    if (group.length > 0) groups.push(group);
    group = [];
  }
  return groups;
}

async function installedPackages(
  names: readonly string[],
  options: FetchOptions,
): Promise<Set<string>> {
  if (names.length === 0) return new Set();
  // The exit code is 1 when one of the names is unknown; the others are answered all the same.
  const format = "${db:Status-Status} ${Package}\n";
  const { stdout } = await apt("dpkg-query", ["-W", "-f", format, ...names], options);
  const lines = stdout.split("\n").filter((line) => line.startsWith("installed "));
  return new Set(lines.map((line) => line.slice("installed ".length)));
}

/** `redis-server` and its libraries at the top of the folder; the rest of the packages goes. */
async function keepNeededFiles(folder: string, programName: string): Promise<void> {
  const tree = join(folder, "tree");
  const lib = join(folder, "lib");
  await Deno.mkdir(lib);
  for (const file of await filesBelow(tree)) {
    const name = basename(file);
    if (name === programName) {
      await Deno.rename(file, join(folder, "redis-server"));
    } else if (/\.so(\.\d+)*$/.test(name) && /\/lib\/[^/]+\/[^/]+$/.test(file)) {
      await Deno.rename(file, join(lib, name));
    }
  }
  await Deno.remove(tree, { recursive: true });
  for await (const entry of Deno.readDir(folder)) {
    if (entry.name.endsWith(".deb")) await Deno.remove(join(folder, entry.name));
  }
  for (const dir of [folder, lib]) await Deno.chmod(dir, 0o755);
}

async function filesBelow(folder: string): Promise<string[]> {
  const files: string[] = [];
  for await (const entry of Deno.readDir(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory) files.push(...await filesBelow(path));
    else files.push(path);
  }
  return files;
}

/** Runs `--version` as the user who will run the server. */
async function checkProgram(folder: string, options: FetchOptions): Promise<Fetched> {
  throwIfStopped(options.signal);
  const command = join(folder, "redis-server");
  const env = { LD_LIBRARY_PATH: join(folder, "lib") };
  const version = await programVersion(command, { ...options.runAs, env, signal: options.signal });
  if (typeof version !== "string") {
    return { outcome: "failed", reason: `${command} does not run: ${version.reason}` };
  }
  if (!isAtLeast(version, NEEDED_REDIS)) {
    return { outcome: "too old", reason: `the packages have only version ${version}` };
  }
  return { outcome: "found", program: { command, env, version } };
}

/** The version a server program tells of itself, or why it does not run. */
export async function programVersion(
  command: string,
  options: ProgramOptions,
): Promise<string | { reason: string }> {
  const result = await runProgram(command, ["--version"], {
    timeoutMs: VERSION_TIMEOUT_MS,
    ...options,
  });
  const version = result.ok ? findVersion(result.stdout) : undefined;
  return version ?? { reason: lastLine(result) };
}
