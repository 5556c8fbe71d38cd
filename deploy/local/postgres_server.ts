/**
 * The private Postgres of a run: loopback only, with a password, its data in the data folder. Or a
 * check of the one the user gave with DATABASE_URL.
 */
import { join } from "node:path";
import { connectSql, type Sql } from "shared/sql/connect.ts";
import { exists, makePrivateFolder } from "./data_dir.ts";
import { KeptProcess, type ProcessSpec } from "./kept_process.ts";
import { prepareLog, tailOf, withLog } from "./log_file.ts";
import { keptPassword } from "./password.ts";
import { freePort, requireFreePort } from "./ports.ts";
import { locatePostgres, type PostgresPrograms } from "./postgres_program.ts";
import { endProcess, identityOf, worksIn } from "./process_identity.ts";
import { isAbsent, lastLine, runProgram, throwIfStopped } from "./program.ts";
import type { ServerOptions } from "./server_options.ts";
import { reasonOf, SetupError, withoutPassword } from "./setup_error.ts";
import { isAtLeast, NEEDED_POSTGRES } from "./version.ts";

/** A Postgres in use; `process` is there when it is ours. */
export interface PostgresServer {
  /** The database of Hexmile. */
  readonly url: string;
  /** The maintenance database of the same server, for creating and dropping databases. */
  readonly adminUrl: string;
  readonly version: string;
  readonly process: KeptProcess | undefined;
}

/** The user and the database of the private server. */
const NAME = "hexmile";
const MAX_CONNECTIONS = 200;
const CONNECT_TIMEOUT_S = 5;
const INITDB_TIMEOUT_MS = 120_000;
/** Recovery after a kill replays at most one checkpoint interval of writes. */
const READY_TIMEOUT_MS = 120_000;
/** A fast shutdown writes a checkpoint, which takes as long as the disk needs. */
const STOP_TIMEOUT_MS = 15_000;
/** Preferred first; the second is there on every system. */
const LOCALES = ["C.UTF-8", "C"];

/**
 * Finds the programs, creates the cluster the first time, starts it and creates the database.
 * Throws `SetupError`, with nothing left running, when any of that fails.
 */
export async function startPostgres(options: ServerOptions): Promise<PostgresServer> {
  const startedMs = performance.now();
  const programs = await locatePostgres(options);
  throwIfStopped(options.signal);
  // One folder per major version, because a server cannot read the files of another.
  const major = programs.version.split(".")[0] ?? programs.version;
  const folder = join(options.dataDir, `postgres-${major}`);
  await makePrivateFolder(folder, options.user);
  const dataDir = join(folder, "data");
  await endOrphan(dataDir);
  const password = await keptPassword(join(options.dataDir, "postgres.password"));
  if (!await exists(dataDir)) await createCluster(programs, { ...options, folder, password });
  throwIfStopped(options.signal);
  if (options.port !== undefined) requireFreePort(options.port, "PostgreSQL", "port for it");
  const port = options.port ?? freePort();
  const spec = await postgresSpec(programs, { ...options, folder, port });
  const process = new KeptProcess(spec, options.hooks);
  const onAbort = () => void process.stop();
  options.signal?.addEventListener("abort", onAbort, { once: true });
  try {
    await process.start();
    const server = `postgres://${NAME}:${password}@127.0.0.1:${port}`;
    const adminUrl = `${server}/postgres`;
    await createDatabase(adminUrl);
    const tookMs = Math.round(performance.now() - startedMs);
    const { version, origin } = programs;
    options.say(`PostgreSQL ${version} on 127.0.0.1:${port} (${origin}; ${tookMs} ms)`);
    return { url: `${server}/${NAME}`, adminUrl, version, process };
  } catch (error) {
    await process.stop();
    if (error instanceof SetupError) throw error;
    throw new SetupError(`Cannot use the private PostgreSQL: ${reasonOf(error)}.`, {
      cause: error,
    });
  } finally {
    options.signal?.removeEventListener("abort", onAbort);
  }
}

/**
 * Checks the database of DATABASE_URL; nothing is started. Throws `SetupError` when it cannot be
 * reached, refuses the password, does not exist, or is too old.
 */
export async function useGivenPostgres(
  url: string,
  say: (line: string) => void,
): Promise<PostgresServer> {
  const shown = withoutPassword(url);
  if (!URL.canParse(url) || !/^postgres(ql)?:$/.test(new URL(url).protocol)) {
    throw new SetupError(
      `DATABASE_URL must look like postgres://user:password@host:5432/name: it is ${shown}.`,
    );
  }
  let version: string;
  try {
    version = await withConnection(url, async (sql) => {
      const [row] = await sql<{ version: string }[]>`
        select current_setting('server_version') as version`;
      return row?.version.split(" ")[0] ?? "0";
    });
  } catch (error) {
    throw new SetupError(`Cannot use the database of DATABASE_URL, ${shown}: ${reasonOf(error)}.`, {
      cause: error,
    });
  }
  if (!isAtLeast(version, NEEDED_POSTGRES)) {
    throw new SetupError(
      `PostgreSQL ${version} (${shown}) is too old: ${NEEDED_POSTGRES} or newer is needed.`,
    );
  }
  say(`PostgreSQL ${version} at ${shown} (DATABASE_URL)`);
  return { url, adminUrl: url, version, process: undefined };
}

async function withConnection<T>(
  url: string,
  use: (sql: Sql) => Promise<T>,
): Promise<T> {
  const sql = connectSql(url, { applicationName: "hexmile-setup", max: 1 });
  try {
    return await use(sql);
  } finally {
    await sql.end({ timeout: CONNECT_TIMEOUT_S });
  }
}

async function createDatabase(adminUrl: string): Promise<void> {
  await withConnection(adminUrl, async (sql) => {
    const found = await sql`select 1 from pg_database where datname = ${NAME}`;
    if (found.length === 0) await sql`create database ${sql(NAME)}`;
  });
}

interface ClusterOptions extends ServerOptions {
  readonly folder: string;
  readonly password: string;
}

/** Created aside and renamed, so that a kill in the middle does not leave half a cluster. */
async function createCluster(programs: PostgresPrograms, options: ClusterOptions): Promise<void> {
  const { folder, user, signal } = options;
  const aside = join(folder, "data.new");
  const passwordFile = join(folder, "password.new");
  let reason = "";
  try {
    await Deno.writeTextFile(passwordFile, options.password + "\n", { mode: 0o600 });
    if (user !== undefined) await Deno.chown(passwordFile, user.uid, user.gid);
    for (const locale of LOCALES) {
      if (await exists(aside)) await Deno.remove(aside, { recursive: true });
      const result = await runProgram(programs.initdb, [
        `--pgdata=${aside}`,
        `--username=${NAME}`,
        "--auth=scram-sha-256",
        `--pwfile=${passwordFile}`,
        "--encoding=UTF8",
        `--locale=${locale}`,
        "--no-sync",
        "--no-instructions",
      ], {
        cwd: folder,
        env: serverEnv(options),
        clearEnv: true,
        user,
        timeoutMs: INITDB_TIMEOUT_MS,
        signal,
      });
      if (result.ok) return await Deno.rename(aside, join(folder, "data"));
      reason = lastError(result.stderr) ?? lastLine(result);
    }
  } finally {
    if (await exists(passwordFile)) await Deno.remove(passwordFile);
  }
  throw new SetupError(`Cannot create the PostgreSQL data in ${folder}: ${reason}.`);
}

function lastError(text: string): string | undefined {
  return text.split("\n").findLast((line) => line.includes("error:"))?.trim();
}

function serverEnv(options: ServerOptions): Record<string, string> {
  return { PATH: options.path, LC_MESSAGES: "C", TZ: "UTC" };
}

async function postgresSpec(
  programs: PostgresPrograms,
  options: ServerOptions & { folder: string; port: number },
): Promise<ProcessSpec> {
  const { folder, port, user } = options;
  const dataDir = join(folder, "data");
  const logFile = join(folder, "postgres.log");
  await prepareLog(logFile);
  const settings = postgresSettings(port, options.durable);
  return {
    ...withLog(logFile, programs.postgres, [
      "-D",
      dataDir,
      ...settings.flatMap(([name, value]) => ["-c", `${name}=${value}`]),
    ]),
    name: "postgres",
    kind: "server",
    env: serverEnv(options),
    clearEnv: true,
    cwd: folder,
    user,
    // Fast shutdown. SIGTERM would be the smart one, which waits for every client to go away.
    stopSignal: "SIGINT",
    stopTimeoutMs: STOP_TIMEOUT_MS,
    hastenSignal: "SIGQUIT",
    readyTimeoutMs: READY_TIMEOUT_MS,
    isReady: (pid) => hasReadyLine(dataDir, pid),
    explain: () => tailOf(logFile),
  };
}

/** Server settings that differ from the defaults. */
export function postgresSettings(port: number, durable: boolean): [string, string][] {
  const settings: [string, string][] = [
    ["listen_addresses", "127.0.0.1"],
    ["port", String(port)],
    ["unix_socket_directories", ""],
    ["max_connections", String(MAX_CONNECTIONS)],
    ["timezone", "UTC"],
    ["log_timezone", "UTC"],
  ];
  if (durable) return settings;
  return [
    ...settings,
    ["fsync", "off"],
    ["synchronous_commit", "off"],
    ["full_page_writes", "off"],
  ];
}

/** Reads postmaster.pid, as pg_ctl does: line 1 the process, line 8 its state. */
async function hasReadyLine(dataDir: string, pid: number): Promise<boolean> {
  const lines = await postmasterLines(dataDir);
  return lines[0]?.trim() === String(pid) && lines[7]?.trim() === "ready";
}

async function postmasterLines(dataDir: string): Promise<string[]> {
  try {
    return (await Deno.readTextFile(join(dataDir, "postmaster.pid"))).split("\n");
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}

/**
 * Ends a server of a killed run that is on no record. A postmaster.pid whose process is not a
 * server of this folder is removed: after a restart of the machine or container its number may be
 * that of another process of the same user, and Postgres would refuse to start.
 */
async function endOrphan(dataDir: string): Promise<void> {
  const pid = Number((await postmasterLines(dataDir))[0]?.trim());
  if (!Number.isInteger(pid) || pid <= 0) return;
  const identity = identityOf(pid);
  if (identity !== undefined && worksIn(pid, await Deno.realPath(dataDir))) {
    await endProcess(identity, "SIGINT", STOP_TIMEOUT_MS);
  }
  const file = join(dataDir, "postmaster.pid");
  if (await exists(file)) await Deno.remove(file);
}
