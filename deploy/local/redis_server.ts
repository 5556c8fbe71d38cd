/**
 * The private Redis of a run: loopback only, with a password, append-only file synced every second,
 * nothing evicted. Or a check of the one the user gave with REDIS_URL.
 */
import { Redis } from "ioredis";
import { join } from "node:path";
import { makePrivateFolder, shortHash } from "./data_dir.ts";
import { KeptProcess, type ProcessSpec } from "./kept_process.ts";
import { prepareLog, tailOf, withLog } from "./log_file.ts";
import { keptPassword } from "./password.ts";
import { freePort, requireFreePort } from "./ports.ts";
import { endProcess, identityOf, worksIn } from "./process_identity.ts";
import { isAbsent, runProgram, throwIfStopped } from "./program.ts";
import { type FoundRedis, locateRedis } from "./redis_program.ts";
import type { ServerOptions } from "./server_options.ts";
import { reasonOf, SetupError, withoutPassword } from "./setup_error.ts";
import { findVersion, isAtLeast, NEEDED_REDIS } from "./version.ts";

/** A Redis in use; `process` is there when it is ours. */
export interface RedisServer {
  readonly url: string;
  readonly version: string;
  readonly process: KeptProcess | undefined;
}

/** What a Redis tells of itself. */
export interface RedisFacts {
  readonly version: string;
  readonly evictionPolicy: string;
}

const CONNECT_TIMEOUT_MS = 5_000;
const COMMAND_TIMEOUT_MS = 5_000;
/** The default of 2 s would hold this process open that long after a refused connection. */
const DISCONNECT_TIMEOUT_MS = 100;
/** Loading a long append-only file takes a while; it is far below this for any demo. */
const READY_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 5_000;
const ORPHAN_TIMEOUT_MS = 5_000;

/**
 * Finds a server program, starts it and waits until it answers. Throws `SetupError`, with nothing
 * left running, when there is none, it is too old, or its port is taken.
 */
export async function startRedis(options: ServerOptions): Promise<RedisServer> {
  const startedMs = performance.now();
  const found = await locateRedis(options);
  throwIfStopped(options.signal);
  const folder = join(options.dataDir, "redis");
  await makePrivateFolder(folder, options.user);
  await endOrphan(folder);
  if (options.port !== undefined) requireFreePort(options.port, "Redis", "port for it");
  const port = options.port ?? freePort();
  const password = await keptPassword(join(options.dataDir, "redis.password"));
  const url = `redis://:${password}@127.0.0.1:${port}`;
  const config = redisConfig({ folder, port, password, durable: options.durable });
  const spec = found.kind === "program"
    ? await programSpec(found, { ...options, folder, config, url })
    : await dockerSpec(found, { ...options, folder, port, password, url });
  const process = new KeptProcess(spec, options.hooks);
  const onAbort = () => void process.stop();
  options.signal?.addEventListener("abort", onAbort, { once: true });
  try {
    await process.start();
    const { version } = await askRedis(url);
    requireNewEnough(version, "the private server");
    const origin = found.kind === "program" ? `${found.command}, ${found.origin}` : found.image;
    const tookMs = Math.round(performance.now() - startedMs);
    options.say(`Redis ${version} on 127.0.0.1:${port} (${origin}; ${tookMs} ms)`);
    return { url, version, process };
  } catch (error) {
    await process.stop();
    throw error;
  } finally {
    options.signal?.removeEventListener("abort", onAbort);
  }
}

/**
 * Checks the Redis of REDIS_URL; nothing is started. Throws `SetupError` when it cannot be reached,
 * refuses the password, or is too old.
 */
export async function useGivenRedis(
  url: string,
  say: (line: string) => void,
): Promise<RedisServer> {
  const shown = withoutPassword(url);
  if (!URL.canParse(url) || !/^rediss?:$/.test(new URL(url).protocol)) {
    throw new SetupError(
      `REDIS_URL must look like redis://user:password@host:6379: it is ${shown}.`,
    );
  }
  let facts: RedisFacts;
  try {
    facts = await askRedis(url);
  } catch (error) {
    throw new SetupError(`Cannot use the Redis of REDIS_URL, ${shown}: ${reasonOf(error)}.`, {
      cause: error,
    });
  }
  requireNewEnough(facts.version, shown);
  say(`Redis ${facts.version} at ${shown} (REDIS_URL)`);
  if (facts.evictionPolicy !== "" && facts.evictionPolicy !== "noeviction") {
    say(`Redis: maxmemory-policy is ${facts.evictionPolicy}; noeviction is needed to lose nothing`);
  }
  return { url, version: facts.version, process: undefined };
}

function requireNewEnough(version: string, where: string): void {
  if (isAtLeast(version, NEEDED_REDIS)) return;
  throw new SetupError(
    `Redis ${version} (${where}) is too old: ${NEEDED_REDIS} or newer is needed.`,
  );
}

/** One connection, two questions. Rejects when it does not answer within 5 s each. */
export async function askRedis(url: string): Promise<RedisFacts> {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: CONNECT_TIMEOUT_MS,
    commandTimeout: COMMAND_TIMEOUT_MS,
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
    enableReadyCheck: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  // The event has the cause; the rejected call often says only "Connection is closed".
  let cause: Error | undefined;
  redis.on("error", (error: Error) => cause = error);
  try {
    await redis.connect();
    await redis.ping();
    const info = await redis.info();
    const version = findVersion(/^redis_version:(.*)$/m.exec(info)?.[1] ?? "");
    if (version === undefined) throw new Error("it does not tell its version");
    const evictionPolicy = /^maxmemory_policy:(.*)$/m.exec(info)?.[1]?.trim() ?? "";
    return { version, evictionPolicy };
  } catch (error) {
    throw cause ?? error;
  } finally {
    if (redis.status !== "end") redis.disconnect();
  }
}

/** The text of a Redis configuration file (redis.conf(5)); strings are quoted and escaped. */
export function redisConfig(
  settings: { folder: string; port: number; password: string; durable: boolean },
): string {
  const quoted = (text: string) => `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
  return [
    "bind 127.0.0.1",
    `port ${settings.port}`,
    `requirepass ${quoted(settings.password)}`,
    `dir ${quoted(settings.folder)}`,
    `pidfile ${quoted(join(settings.folder, "redis.pid"))}`,
    "daemonize no",
    'save ""',
    `appendonly ${settings.durable ? "yes" : "no"}`,
    "appendfsync everysec",
    // Ten thousand fixes a second write 5 MB: from 64 MB on it would be rewritten every 9 s.
    "auto-aof-rewrite-min-size 256mb",
    "maxmemory-policy noeviction",
    "",
  ].join("\n");
}

interface SpecOptions extends ServerOptions {
  readonly folder: string;
  readonly url: string;
}

async function programSpec(
  found: FoundRedis & { kind: "program" },
  options: SpecOptions & { config: string },
): Promise<ProcessSpec> {
  const { folder, user, url } = options;
  // In a file and not in arguments, which every user of the machine can read.
  const configFile = join(folder, "redis.conf");
  await Deno.writeTextFile(configFile, options.config, { mode: 0o600 });
  if (user !== undefined) await Deno.chown(configFile, user.uid, user.gid);
  const logFile = join(folder, "redis.log");
  await prepareLog(logFile);
  return {
    ...withLog(logFile, found.command, [configFile]),
    ...commonSpec(url),
    env: { PATH: options.path, LC_ALL: "C", TZ: "UTC", ...found.env },
    clearEnv: true,
    cwd: folder,
    user,
    explain: () => tailOf(logFile),
  };
}

/** The container reads its configuration from standard input, so the password is in no argument. */
async function dockerSpec(
  found: FoundRedis & { kind: "docker" },
  options: SpecOptions & { port: number; password: string },
): Promise<ProcessSpec> {
  const name = `hexmile-redis-${shortHash(options.folder)}`;
  await runProgram(found.command, ["rm", "--force", name], { signal: options.signal });
  const { password, durable, port } = options;
  const inside = redisConfig({ folder: "/data", port: 6379, password, durable });
  const publish = `127.0.0.1:${port}:6379`;
  const volume = `${name}:/data`;
  const run = ["run", "--rm", "--interactive", "--name", name, "--publish", publish];
  return {
    ...commonSpec(options.url),
    command: found.command,
    args: [...run, "--volume", volume, found.image, "redis-server", "-"],
    input: inside.replace("bind 127.0.0.1", "bind 0.0.0.0"),
  };
}

function commonSpec(url: string) {
  return {
    name: "redis",
    kind: "server",
    stopSignal: "SIGTERM",
    stopTimeoutMs: STOP_TIMEOUT_MS,
    hastenSignal: "SIGKILL",
    readyTimeoutMs: READY_TIMEOUT_MS,
    isReady: async () => {
      await askRedis(url);
      return true;
    },
  } as const;
}

/** A server of a killed run that is on no record: Redis works in its data folder. */
async function endOrphan(folder: string): Promise<void> {
  let text: string;
  try {
    text = await Deno.readTextFile(join(folder, "redis.pid"));
  } catch (error) {
    if (isAbsent(error)) return;
    throw error;
  }
  const identity = identityOf(Number(text.trim()));
  if (identity === undefined || !worksIn(identity.pid, await Deno.realPath(folder))) return;
  await endProcess(identity, "SIGTERM", ORPHAN_TIMEOUT_MS);
}
