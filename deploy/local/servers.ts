/**
 * Redis and Postgres for one run: found or fetched, started together, kept running, stopped.
 *
 * Concurrency contract. Both servers start at the same time; when one of them cannot, the other is
 * stopped before the failure is told, so either both run or none does. A server that dies later is
 * started again on the same port with the same data, as a service is. `stop` may be called more than
 * once and while a restart is under way. The services must have been stopped before the servers.
 */
import type { LocalPlace } from "./data_dir.ts";
import { describeExit, type KeptProcess, type ProcessEvent } from "./kept_process.ts";
import { type PostgresServer, startPostgres, useGivenPostgres } from "./postgres_server.ts";
import { type RedisServer, startRedis, useGivenRedis } from "./redis_server.ts";
import { RunRecord } from "./run_record.ts";
import type { ServerOptions } from "./server_options.ts";
import { reasonOf, SetupError } from "./setup_error.ts";

/** What to start; a URL that is given is checked and used, and nothing is started for it. */
export interface StartServersOptions {
  readonly place: LocalPlace;
  /** false switches off fsync and the append-only file: for tests only. */
  readonly durable: boolean;
  /** DATABASE_URL and REDIS_URL of the environment, which only the caller reads. */
  readonly databaseUrl?: string | undefined;
  readonly redisUrl?: string | undefined;
  readonly postgresPort?: number | undefined;
  readonly redisPort?: number | undefined;
  /** Prints one line for people. */
  readonly say: (line: string) => void;
  readonly onEvent?: (event: ProcessEvent) => void;
  /** Aborted by Ctrl-C: gives up, stops what was started, throws `SetupError`. */
  readonly signal?: AbortSignal | undefined;
  /** The value of PATH; for tests. */
  readonly path?: string;
}

/** The servers of a run. */
export interface Servers {
  readonly databaseUrl: string;
  /** Maintenance database of the same server, to create and drop databases from. */
  readonly adminDatabaseUrl: string;
  readonly redisUrl: string;
  /** The processes that are ours, for faults on purpose (`kill`, `pid`); absent for a given URL. */
  readonly postgres: KeptProcess | undefined;
  readonly redis: KeptProcess | undefined;
  /** The record of this run; the supervisor puts its services on it. */
  readonly record: RunRecord;
  /** Process ids by name, of those that run now. */
  pids(): Record<string, number>;
  /** Stops both and closes the record. */
  stop(): Promise<void>;
  /** Cuts a running `stop` short. */
  hasten(): void;
}

/**
 * Takes the data folder, ends what a killed run left, and starts both servers. Throws `SetupError`
 * with one sentence, and with nothing left running, when that is not possible.
 */
export async function startServers(options: StartServersOptions): Promise<Servers> {
  const { place, say } = options;
  const record = await RunRecord.open(place.dataDir, say);
  try {
    return await startBoth(options, record);
  } catch (error) {
    record.close();
    if (error instanceof SetupError || !isFolderFailure(error)) throw error;
    throw new SetupError(`Cannot use the folder ${place.baseDir}: ${reasonOf(error)}.`, {
      cause: error,
    });
  }
}

/** A full or read-only disk is the user's matter, not a bug. */
function isFolderFailure(error: unknown): boolean {
  return error instanceof Deno.errors.PermissionDenied ||
    error instanceof Error && /ENOSPC|EROFS|EACCES|os error (28|30|13)/.test(error.message);
}

async function startBoth(options: StartServersOptions, record: RunRecord): Promise<Servers> {
  const { place, durable, say, signal, databaseUrl, redisUrl } = options;
  const common: ServerOptions = {
    dataDir: place.dataDir,
    programsDir: place.programsDir,
    user: place.user,
    durable,
    path: options.path ?? Deno.env.get("PATH") ?? "",
    say,
    signal,
    hooks: {
      record,
      onEvent: (event) => {
        tellServerEvent(event, say);
        options.onEvent?.(event);
      },
    },
  };
  const [redis, postgres] = await Promise.allSettled([
    redisUrl === undefined
      ? startRedis({ ...common, port: options.redisPort })
      : useGivenRedis(redisUrl, say),
    databaseUrl === undefined
      ? startPostgres({ ...common, port: options.postgresPort })
      : useGivenPostgres(databaseUrl, say),
  ]);
  if (redis.status === "fulfilled" && postgres.status === "fulfilled" && !signal?.aborted) {
    const servers = new StartedServers(redis.value, postgres.value, record);
    record.setPorts(servers.ports());
    return servers;
  }
  for (const started of [redis, postgres]) {
    if (started.status === "fulfilled") await started.value.process?.stop();
  }
  throw firstReason([redis, postgres]);
}

function firstReason(results: readonly PromiseSettledResult<unknown>[]): unknown {
  const rejected = results.filter((result) => result.status === "rejected");
  // A bug in one of the two must not hide behind the other's sentence.
  const bug = rejected.find((result) => !(result.reason instanceof SetupError));
  return (bug ?? rejected[0])?.reason ?? new SetupError("Stopped before everything was started.");
}

function tellServerEvent(event: ProcessEvent, say: (line: string) => void): void {
  if (event.type === "exit" && !event.expected) {
    say(`${event.name} ended by itself (${describeExit(event)})`);
  } else if (event.type === "restart") {
    say(`${event.name} is started again in ${event.delayMs} ms`);
  }
}

class StartedServers implements Servers {
  readonly databaseUrl: string;
  readonly adminDatabaseUrl: string;
  readonly redisUrl: string;
  readonly postgres: KeptProcess | undefined;
  readonly redis: KeptProcess | undefined;
  readonly record: RunRecord;
  #stopped: Promise<void> | undefined;

  constructor(redis: RedisServer, postgres: PostgresServer, record: RunRecord) {
    this.databaseUrl = postgres.url;
    this.adminDatabaseUrl = postgres.adminUrl;
    this.redisUrl = redis.url;
    this.postgres = postgres.process;
    this.redis = redis.process;
    this.record = record;
  }

  pids(): Record<string, number> {
    const pids: Record<string, number> = {};
    for (const process of this.#processes()) {
      if (process.pid !== undefined) pids[process.spec.name] = process.pid;
    }
    return pids;
  }

  /** Ports of the servers that are ours. */
  ports(): Record<string, number> {
    const ports: Record<string, number> = {};
    if (this.redis !== undefined) ports["redis"] = Number(new URL(this.redisUrl).port);
    if (this.postgres !== undefined) ports["postgres"] = Number(new URL(this.databaseUrl).port);
    return ports;
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stopOnce();
    return this.#stopped;
  }

  async #stopOnce(): Promise<void> {
    await Promise.all(this.#processes().map((process) => process.stop()));
    this.record.close();
  }

  hasten(): void {
    for (const process of this.#processes()) process.hasten();
  }

  #processes(): KeptProcess[] {
    return [this.redis, this.postgres].filter((process) => process !== undefined);
  }
}
