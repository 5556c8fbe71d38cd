/**
 * A process named so that it can be found again after this program was killed: its id and the time
 * it started. Ids are reused, so an id alone must never be signalled.
 *
 * The functions are synchronous on purpose: a child is recorded in the same turn in which it was
 * started, so that a kill between the two leaves no unrecorded child behind.
 */
import { isAbsent } from "./program.ts";
import { reasonOf, SetupError } from "./setup_error.ts";
import { pause } from "./waiting.ts";

/** How often the end of a foreign process is looked for (it cannot be waited on). */
const POLL_INTERVAL_MS = 20;
/** After SIGKILL only the kernel stands between us and the end. */
const KILL_TIMEOUT_MS = 5_000;

/** A process and when it started; `startedAt` is only ever compared for equality. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startedAt: string;
}

/** The identity of a running process; undefined when it is gone or only a zombie. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  const startedAt = Deno.build.os === "linux" ? startFromProc(pid) : startFromPs(pid);
  return startedAt === undefined ? undefined : { pid, startedAt };
}

/** Whether exactly this process is still running. */
export function isRunning(identity: ProcessIdentity): boolean {
  return identityOf(identity.pid)?.startedAt === identity.startedAt;
}

/**
 * The state and start time in the text of /proc/<pid>/stat (proc(5), fields 3 and 22). The second
 * field is the program's name in parentheses and may itself hold spaces and parentheses.
 */
export function parseProcStat(text: string): { state: string; startTicks: string } | undefined {
  const fields = text.slice(text.lastIndexOf(")") + 1).trim().split(/\s+/);
  const state = fields[0];
  const startTicks = fields[19];
  if (state === undefined || startTicks === undefined || !/^\d+$/.test(startTicks)) {
    return undefined;
  }
  return { state, startTicks };
}

function startFromProc(pid: number): string | undefined {
  try {
    const stat = parseProcStat(Deno.readTextFileSync(`/proc/${pid}/stat`));
    // A zombie has ended; where no init collects orphans (many containers) it stays for ever.
    if (stat === undefined || stat.state === "Z" || stat.state === "X") return undefined;
    // Ticks count from the boot, so after a restart another process may have the same ones.
    const bootId = Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").trim();
    return `${bootId}:${stat.startTicks}`;
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

function startFromPs(pid: number): string | undefined {
  const output = new Deno.Command("ps", {
    args: ["-o", "stat=,lstart=", "-p", String(pid)],
    env: { LC_ALL: "C" },
    stderr: "null",
  }).outputSync();
  const text = new TextDecoder().decode(output.stdout).trim();
  return !output.success || text === "" || text.startsWith("Z") ? undefined : text.replace(
    /^\S+\s+/,
    "",
  );
}

/**
 * Whether a running process is a server of this (real) folder: on Linux one that works in it, as
 * Postgres and Redis do with their data folder; elsewhere one with the folder in its command line.
 * A process of another user is none of ours.
 */
export function worksIn(pid: number, folder: string): boolean {
  if (Deno.build.os !== "linux") return commandFromPs(pid).includes(folder);
  try {
    return Deno.readLinkSync(`/proc/${pid}/cwd`) === folder;
  } catch (error) {
    if (isGone(error) || error instanceof Deno.errors.PermissionDenied) return false;
    throw error;
  }
}

function commandFromPs(pid: number): string {
  const args = ["-o", "command=", "-p", String(pid)];
  const output = new Deno.Command("ps", { args, stderr: "null" }).outputSync();
  return new TextDecoder().decode(output.stdout);
}

/** ESRCH comes from reading /proc of a process that ends at that moment. */
function isGone(error: unknown): boolean {
  return isAbsent(error) || (error instanceof Error && error.message.includes("ESRCH"));
}

/**
 * Asks exactly this process to end with `signal`, waits at most `timeoutMs`, then kills it. Silent
 * when it is already gone. Throws `SetupError` when it may not be signalled or does not die.
 */
export async function endProcess(
  identity: ProcessIdentity,
  signal: Deno.Signal,
  timeoutMs: number,
): Promise<void> {
  for (const [step, boundMs] of [[signal, timeoutMs], ["SIGKILL", KILL_TIMEOUT_MS]] as const) {
    if (!isRunning(identity)) return;
    sendSignal(identity.pid, step);
    const deadline = performance.now() + boundMs;
    while (performance.now() < deadline) {
      if (!isRunning(identity)) return;
      await pause(POLL_INTERVAL_MS);
    }
  }
  if (!isRunning(identity)) return;
  throw new SetupError(`Process ${identity.pid} of an earlier run does not end: stop it by hand.`);
}

function sendSignal(pid: number, signal: Deno.Signal): void {
  try {
    Deno.kill(pid, signal);
  } catch (error) {
    if (isGone(error)) return;
    throw new SetupError(`Cannot end process ${pid} of an earlier run: ${reasonOf(error)}.`, {
      cause: error,
    });
  }
}
