/**
 * The life of a service process, the same for all: read the environment, listen, start, drain, stop.
 *
 * Contract: the health routes answer from the first moment (unready until `start` resolves). On
 * SIGTERM or SIGINT readiness fails first, then the listener stops taking connections and lets
 * requests in flight finish, then stop hooks run in reverse order of registration, all inside 5 s.
 * An error nobody awaited is logged and counted and never ends the process.
 */
import { pathOf } from "./path_of.ts";
import {
  ConfigError,
  type ConfigFields,
  type ConfigOf,
  type ConfigRule,
  parseConfig,
} from "shared/config/config.ts";
import type { serviceFields } from "shared/config/fields.ts";
import { createLog, type Log } from "shared/log/log.ts";
import { pause } from "shared/clock/timeout.ts";
import { createMetrics, type Metrics } from "shared/metrics/metrics.ts";
import { Health } from "./health.ts";

/** Sysexits EX_CONFIG is 78; 2 is what command-line users expect for bad arguments. */
const EXIT_CONFIG = 2;
const EXIT_FAILED = 1;
/** By name: not every service should load the database driver to know its errors. */
const EXPLAINED = new Set(["MigrationError", "CityError"]);
const DRAIN_DEADLINE_MS = 5_000;
/** Of the deadline, what requests in flight get before stop hooks begin. */
const REQUESTS_DEADLINE_MS = 2_500;

type BaseFields = ReturnType<typeof serviceFields>;

/** What `start` receives. */
export interface ServiceContext<Fields extends ConfigFields> {
  readonly config: ConfigOf<Fields>;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly health: Health;
  /** Hooks run in reverse order, each by the common deadline. */
  onStop(name: string, stop: () => Promise<unknown>): void;
}

/** A service: its declaration of configuration and how it starts. */
export interface ServiceDefinition<Fields extends ConfigFields> {
  readonly name: string;
  readonly fields: Fields;
  readonly rules?: readonly ConfigRule<Fields>[];
  /** Connects and wires; returns the handler of everything but health and metrics. */
  start(context: ServiceContext<Fields>): Promise<{ fetch?: Deno.ServeHandler }>;
}

/** Runs a service until a signal; returns only when `--check-config` was asked. */
export async function runService<Fields extends ConfigFields & BaseFields>(
  definition: ServiceDefinition<Fields>,
): Promise<void> {
  const config = readConfig(definition);
  if (Deno.args.includes("--check-config")) {
    console.log(`${definition.name}: configuration is valid`);
    return;
  }
  const base = config as ConfigOf<BaseFields>;
  const log = createLog({
    service: definition.name,
    level: base.LOG_LEVEL,
    format: base.LOG_FORMAT,
  });
  const metrics = createMetrics(definition.name);
  guardProcess(log, metrics);
  const health = new Health();
  const hooks: { name: string; stop: () => Promise<unknown> }[] = [];
  let handler: Deno.ServeHandler | undefined;
  const own = async (path: string) => {
    if (path === "/metrics") return await metricsResponse(metrics);
    return path.startsWith("/health") ? await health.respond(path) : undefined;
  };
  // Without a promise of its own for what the service answers.
  const serve: Deno.ServeHandler = (request, info) =>
    handler === undefined ? new Response("not ready", { status: 503 }) : handler(request, info);
  const server = listen(base, log, (request, info) => {
    const path = pathOf(request.url);
    if (!path.startsWith("/health") && path !== "/metrics") return serve(request, info);
    return own(path).then((answer) => answer ?? serve(request, info));
  });
  const stop = onceStopped(async (reason) => {
    health.stopping();
    log.info("stopping", { reason });
    await within(REQUESTS_DEADLINE_MS, server.shutdown());
    for (const hook of hooks.reverse()) {
      await within(DRAIN_DEADLINE_MS - REQUESTS_DEADLINE_MS, hook.stop()).catch((error) =>
        log.error("stop hook failed", { hook: hook.name, error })
      );
    }
    log.info("stopped");
    Deno.exit(0);
  }, log);
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    Deno.addSignalListener(signal, () => stop(signal));
  }
  try {
    const started = await definition.start({
      config,
      log,
      metrics,
      health,
      onStop: (name, stopHook) => hooks.push({ name, stop: stopHook }),
    });
    handler = started.fetch;
    health.started();
    log.info("started", { port: server.addr.port });
  } catch (error) {
    // What the operator can mend is one sentence; anything else is a bug and keeps its stack.
    if (error instanceof Error && EXPLAINED.has(error.name)) log.error(error.message);
    else log.error("cannot start", { error });
    Deno.exit(EXIT_FAILED);
  }
}

function readConfig<Fields extends ConfigFields>(definition: ServiceDefinition<Fields>) {
  try {
    return parseConfig(
      definition.name,
      definition.fields,
      Deno.env.toObject(),
      definition.rules ?? [],
    );
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(error.message);
    Deno.exit(EXIT_CONFIG);
  }
}

function listen(config: ConfigOf<BaseFields>, log: Log, handler: Deno.ServeHandler) {
  try {
    return Deno.serve({
      hostname: config.HOST,
      port: config.PORT,
      onListen: () => {},
      onError: (error) => {
        log.error("request failed outside the application", { error });
        return new Response(null, { status: 500 });
      },
    }, handler) as Deno.HttpServer<Deno.NetAddr>;
  } catch (error) {
    const taken = error instanceof Deno.errors.AddrInUse;
    const reason = taken ? "the port is taken" : String(error);
    log.error(`cannot listen on ${config.HOST}:${config.PORT}: ${reason}; set another PORT`);
    Deno.exit(EXIT_FAILED);
  }
}

async function metricsResponse(metrics: Metrics): Promise<Response> {
  return new Response(await metrics.registry.metrics(), {
    headers: { "content-type": metrics.registry.contentType },
  });
}

function guardProcess(log: Log, metrics: Metrics): void {
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    metrics.unhandledErrors.inc();
    log.error("unhandled rejection", { error: event.reason });
  });
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    metrics.unhandledErrors.inc();
    log.error("unhandled error", { error: event.error });
  });
}

function onceStopped(stop: (reason: string) => Promise<void>, log: Log) {
  let stopping = false;
  return (reason: string) => {
    if (stopping) return;
    stopping = true;
    setTimeout(() => {
      log.error("did not drain in time", { deadlineMs: DRAIN_DEADLINE_MS });
      Deno.exit(EXIT_FAILED);
    }, DRAIN_DEADLINE_MS);
    stop(reason).catch((error) => {
      log.error("cannot stop cleanly", { error });
      Deno.exit(EXIT_FAILED);
    });
  };
}

/** Waits for the work, but at most `timeoutMs`; the work goes on behind. */
async function within(timeoutMs: number, work: Promise<unknown>): Promise<void> {
  const done = new AbortController();
  const finished = work.finally(() => done.abort());
  await Promise.race([finished, pause(timeoutMs, done.signal)]);
}
