/** Finds a Redis (or Valkey) server program, or fetches one: DESIGN's order, first success wins. */
import {
  cachedRedis,
  type FetchOptions,
  fetchRedisPackages,
  programVersion,
} from "./redis_packages.ts";
import { findOnPath, lastLine, runProgram, type ServerUser } from "./program.ts";
import { SetupError } from "./setup_error.ts";
import { isAtLeast, NEEDED_REDIS } from "./version.ts";

/** How to start the server: a program of this machine, or a container. */
export type FoundRedis =
  | {
    readonly kind: "program";
    readonly command: string;
    readonly env: Readonly<Record<string, string>>;
    readonly version: string;
    readonly origin: string;
  }
  | { readonly kind: "docker"; readonly command: string; readonly image: string };

/** Where to look; `path` is the value of PATH. */
export interface LocateOptions {
  readonly programsDir: string;
  readonly user: ServerUser | undefined;
  readonly path: string;
  readonly say: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** A container image of the wanted major version; the only one ever used. */
const DOCKER_IMAGE = "redis:7-alpine";
/** The `docker` command is often there without an engine, and then it may hang. */
const DOCKER_PROBE_TIMEOUT_MS = 5_000;
const BREW_TIMEOUT_MS = 300_000;

/**
 * Looks on PATH, in the private copy, in the packages of Debian or Ubuntu, in Homebrew, in Docker.
 * Throws `SetupError` when a server on PATH is too old (it is the user's choice, so it is refused
 * and not passed over), and when every way fails, with the reason of each.
 */
export async function locateRedis(options: LocateOptions): Promise<FoundRedis> {
  const onPath = await redisOnPath(options);
  if (onPath !== undefined) return onPath;
  const fetching: FetchOptions = { ...options, runAs: { user: options.user } };
  const cached = await cachedRedis(fetching);
  if (cached !== undefined) return { kind: "program", ...cached, origin: "private copy" };
  const fetched = await fetchRedisPackages(fetching);
  if (typeof fetched !== "string") return { kind: "program", ...fetched, origin: "private copy" };
  const brewed = await redisFromBrew(options);
  if (typeof brewed !== "string") return brewed;
  const docker = await dockerRedis(options);
  if (typeof docker !== "string") return docker;
  throw new SetupError(
    `No Redis found: no redis-server or valkey-server is on PATH, and none could be fetched ` +
      `(packages: ${fetched}; Homebrew: ${brewed}; Docker: ${docker}): ` +
      `install Redis ${NEEDED_REDIS} or newer, or set REDIS_URL.`,
  );
}

async function redisOnPath(options: LocateOptions): Promise<FoundRedis | undefined> {
  const command = findOnPath(["redis-server", "valkey-server"], options.path);
  if (command === undefined) return undefined;
  return await checked(command, options, "on PATH");
}

async function checked(
  command: string,
  options: LocateOptions,
  origin: string,
): Promise<FoundRedis> {
  const { user, signal } = options;
  const version = await programVersion(command, { user, signal });
  if (typeof version !== "string") {
    throw new SetupError(
      `The Redis server ${command} does not run (${version.reason}): ` +
        `repair it, take it off PATH, or set REDIS_URL.`,
    );
  }
  if (!isAtLeast(version, NEEDED_REDIS)) {
    throw new SetupError(
      `Redis ${version} (${command}) is too old: ${NEEDED_REDIS} or newer is needed; ` +
        `install a newer one, take this one off PATH, or set REDIS_URL.`,
    );
  }
  return { kind: "program", command, env: {}, version, origin };
}

async function redisFromBrew(options: LocateOptions): Promise<FoundRedis | string> {
  const brew = findOnPath(["brew"], options.path);
  if (brew === undefined) return "not installed";
  if (options.user !== undefined) return "does not work as root";
  options.say("Redis: installing it with Homebrew (its service is not started)");
  const { signal } = options;
  const env = { HOMEBREW_NO_AUTO_UPDATE: "1" };
  const install = await runProgram(brew, ["install", "redis"], {
    env,
    timeoutMs: BREW_TIMEOUT_MS,
    signal,
  });
  if (!install.ok) return lastLine(install);
  const prefix = await runProgram(brew, ["--prefix", "redis"], { env, signal });
  if (!prefix.ok) return lastLine(prefix);
  return await checked(`${prefix.stdout.trim()}/bin/redis-server`, options, "Homebrew");
}

async function dockerRedis(options: LocateOptions): Promise<FoundRedis | string> {
  const docker = findOnPath(["docker"], options.path);
  if (docker === undefined) return "not installed";
  const info = await runProgram(docker, ["info", "--format", "{{.ServerVersion}}"], {
    timeoutMs: DOCKER_PROBE_TIMEOUT_MS,
    signal: options.signal,
  });
  if (!info.ok) return "its engine does not answer";
  options.say(`Redis: using Docker with the image ${DOCKER_IMAGE}`);
  return { kind: "docker", command: docker, image: DOCKER_IMAGE };
}
