import { parseArgs } from "node:util";
import { reasonOf, SetupError } from "../setup_error.ts";

/** What `deno task demo` was asked to do. */
export interface DemoOptions {
  /** First of six ports in a row. */
  readonly port: number;
  /** City folder. */
  readonly city: string;
  readonly speed: number;
  /** Data folder; one of the clone's own, named after the port, when absent. */
  readonly data: string | undefined;
  /** Place one order, follow it to its end, check, and exit. */
  readonly once: boolean;
  /** With `once`: what to kill after the offer. */
  readonly kill: KillTarget | undefined;
  /** Forget the data of earlier runs. */
  readonly fresh: boolean;
  /** Show the services' request lines. */
  readonly verbose: boolean;
  /** Restart services when the source changes. */
  readonly reload: boolean;
}

export const DEMO_SERVICES = [
  "gateway",
  "ingest",
  "tracker",
  "matcher",
  "keeper",
  "simulator",
] as const;
export type DemoService = (typeof DEMO_SERVICES)[number];

/**
 * `wipe` empties Redis; `each` does everything in turn to every service and both servers, the next
 * when the last is back.
 */
export const KILL_TARGETS = [...DEMO_SERVICES, "redis", "postgres", "wipe", "each"] as const;
export type KillTarget = (typeof KILL_TARGETS)[number];

export const DEMO_HELP = `Usage: deno task demo [options]

  --port N       first of six ports in a row (default 8080)
  --city FOLDER  city to run in (default data/gothenburg)
  --speed N      how much faster couriers and kitchens run, 1 to 100 (default 10)
  --data FOLDER  where to keep the data (default .hexmile/demo-<port>)
  --fresh        forget the data of earlier runs
  --once         place one order, follow it to the door, check, exit 0 or 1
  --kill NAME    with --once: kill something after the offer
                 (${KILL_TARGETS.join(", ")})
  --reload       restart services when the source changes
  --verbose      show request lines`;

/** Highest first port that leaves room for six. */
const MAX_PORT = 65_530;

/** Reads the command line. @throws SetupError in one sentence. */
export function parseDemoOptions(args: readonly string[]): DemoOptions {
  const { values } = readFlags(args);
  const kill = KILL_TARGETS.find((name) => name === values.kill);
  if (values.kill !== undefined && kill === undefined) {
    throw new SetupError(
      `--kill must be one of ${KILL_TARGETS.join(", ")}: it is ${values.kill}.`,
    );
  }
  if (kill !== undefined && !values.once) throw new SetupError("--kill needs --once.");
  return {
    port: numberIn("--port", values.port, 1, MAX_PORT, true),
    city: values.city,
    speed: numberIn("--speed", values.speed, 1, 100, false),
    data: values.data,
    once: values.once,
    kill,
    fresh: values.fresh,
    verbose: values.verbose,
    reload: values.reload,
  };
}

function readFlags(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        port: { type: "string", default: "8080" },
        city: { type: "string", default: "data/gothenburg" },
        speed: { type: "string", default: "10" },
        data: { type: "string" },
        once: { type: "boolean", default: false },
        kill: { type: "string" },
        fresh: { type: "boolean", default: false },
        verbose: { type: "boolean", default: false },
        reload: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    throw new SetupError(`${reasonOf(error)}; see deno task demo --help.`, { cause: error });
  }
}

function numberIn(flag: string, raw: string, min: number, max: number, whole: boolean): number {
  const value = Number(raw);
  const fits = raw.trim() !== "" && value >= min && value <= max;
  if (fits && (!whole || Number.isInteger(value))) return value;
  const kind = whole ? "a whole number" : "a number";
  throw new SetupError(`${flag} must be ${kind} from ${min} to ${max}: it is ${raw}.`);
}
