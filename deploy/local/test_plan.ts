/** What a call of the test runner asks for. Pure. */
import { relative, resolve } from "node:path";

const KINDS = ["unit", "integration", "e2e", "chaos", "all"] as const;
type Kind = typeof KINDS[number];

/** One `deno test` run. */
export interface TestPhase {
  readonly name: string;
  /** Files and folders, relative to the project. */
  readonly paths: readonly string[];
  /** Whether Redis, Postgres and the template database must be there. */
  readonly needsServers: boolean;
  /** Files at the same time; 1 where tests measure or start whole systems. */
  readonly jobs: number;
}

/** The phases to run and the flags that go to `deno test` as they are. */
export interface TestPlan {
  readonly phases: readonly TestPhase[];
  readonly flags: readonly string[];
}

/** Flags of `deno test` whose value is the next argument; others must use the form `--flag=value`. */
const FLAGS_WITH_VALUE = new Set(["--filter"]);

/** Every kind in the order of its run. Unit tests beside the code; `tests` is its top files only. */
const PHASES: readonly TestPhase[] = [
  {
    name: "unit",
    paths: ["services", "shared", "deploy", "tests"],
    needsServers: false,
    jobs: 1,
  },
  // Each integration file has its own database and key prefix, so two at a time are safe.
  { name: "integration", paths: ["tests/integration"], needsServers: true, jobs: 2 },
  { name: "e2e", paths: ["tests/e2e"], needsServers: true, jobs: 1 },
  { name: "chaos", paths: ["tests/chaos"], needsServers: true, jobs: 1 },
];

/**
 * Reads `[unit|integration|e2e|chaos|all] [--filter text] [deno test flags] [paths]`. Paths are
 * relative to `cwd`; without a kind they go to the phase of their folder.
 */
export function planTests(args: readonly string[], projectDir: string, cwd: string): TestPlan {
  const [first, ...others] = args;
  const kind = KINDS.find((name) => name === first);
  const { flags, paths } = splitFlags(kind === undefined ? args : others);
  const wanted = kind ?? "all";
  if (paths.length === 0) {
    return { flags, phases: PHASES.filter((phase) => wanted === "all" || phase.name === wanted) };
  }
  const files = paths.map((path) => relative(projectDir, resolve(cwd, path)));
  const phases = PHASES.map((phase) => ({
    ...phase,
    paths: files.filter((file) => phaseOf(file, wanted) === phase.name),
  }));
  return { flags, phases: phases.filter((phase) => phase.paths.length > 0) };
}

function splitFlags(args: readonly string[]): { flags: string[]; paths: string[] } {
  const flags: string[] = [];
  const paths: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? "";
    const value = args[at + 1];
    if (FLAGS_WITH_VALUE.has(arg) && value !== undefined) {
      flags.push(`${arg}=${value}`);
      at++;
    } else if (arg.startsWith("-")) flags.push(arg);
    else paths.push(arg);
  }
  return { flags, paths };
}

function phaseOf(file: string, wanted: Kind): string {
  if (wanted !== "all") return wanted;
  const folder = /^tests\/([^/]+)/.exec(file)?.[1];
  return PHASES.find((phase) => phase.needsServers && phase.name === folder)?.name ?? "unit";
}
