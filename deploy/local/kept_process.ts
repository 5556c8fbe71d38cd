/**
 * One child process that is kept running: started, waited for until ready, started again after a
 * crash, stopped by a deadline.
 *
 * Concurrency contract. At most one process of a `KeptProcess` exists at any time: only `start` and
 * the single keeping loop launch one, and the loop begins after `start` has ended. `stop` may come
 * at any moment; it is decided by one AbortSignal which is read in the same turn as each launch, so
 * no process is started after it. A failure of the first start rejects `start` and is not retried,
 * since a restart cures a crash but not a wrong setting. No promise made here rejects unobserved.
 */
import { nextDelayMs } from "./backoff.ts";
import { LastLines, readLines } from "./output_lines.ts";
import type { ServerUser } from "./program.ts";
import type { RunRecord, StopSignal } from "./run_record.ts";
import { reasonOf, SetupError } from "./setup_error.ts";
import { pause, settlesWithin } from "./waiting.ts";

/** How often a starting child is asked whether it is ready. */
const READY_POLL_MS = 25;
/** After SIGKILL, and for the last output after the end. */
const KILL_TIMEOUT_MS = 5_000;
const LAST_OUTPUT_TIMEOUT_MS = 500;
/** Lines of the child's output put into the message about an early end. */
const QUOTED_LINES = 5;

/** What to run and how to know that it is ready. */
export interface ProcessSpec {
  readonly name: string;
  readonly kind: "service" | "server";
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly clearEnv?: boolean;
  readonly cwd?: string;
  readonly user?: ServerUser | undefined;
  /** Text given on standard input, which is then closed; nothing by default. */
  readonly input?: string;
  readonly stopSignal: StopSignal;
  readonly stopTimeoutMs: number;
  /** What ends it at once when the user is in a hurry. */
  readonly hastenSignal: Deno.Signal;
  readonly readyTimeoutMs: number;
  /** Asked every 25 ms while starting; a rejection counts as "not yet" and is told on time-out. */
  readonly isReady: (pid: number) => Promise<boolean>;
  /** The lines that explain an early end when they are not in the child's own output. */
  readonly explain?: () => Promise<readonly string[]>;
}

/** What happens to a child, in order. `expected` is true for an end that was asked for. */
export type ProcessEvent =
  | { readonly type: "started"; readonly name: string; readonly pid: number }
  | {
    readonly type: "ready";
    readonly name: string;
    readonly pid: number;
    readonly afterMs: number;
  }
  | {
    readonly type: "exit";
    readonly name: string;
    readonly pid: number;
    readonly code: number;
    readonly signal: string | null;
    readonly expected: boolean;
  }
  | { readonly type: "restart"; readonly name: string; readonly delayMs: number };

/** Where a child's output and events go, and the record it is put on. */
export interface ProcessHooks {
  readonly record?: RunRecord | undefined;
  readonly onEvent?: (event: ProcessEvent) => void;
  readonly onLine?: (name: string, line: string) => void;
}

interface Running {
  readonly child: Deno.ChildProcess;
  readonly pid: number;
  /** Resolves when the process has ended and its output has been read. */
  readonly exited: Promise<Deno.CommandStatus>;
  readonly lines: LastLines;
  hasExited: boolean;
}

/** A child process that is kept running until `stop`. */
export class KeptProcess {
  readonly spec: ProcessSpec;
  #hooks: ProcessHooks;
  #running: Running | undefined;
  #started = false;
  #ready = false;
  #stopping = new AbortController();
  #stopped: Promise<void> | undefined;
  #keeping: Promise<void> = Promise.resolve();

  constructor(spec: ProcessSpec, hooks: ProcessHooks = {}) {
    this.spec = spec;
    this.#hooks = hooks;
  }

  /** The id of the process while it runs. */
  get pid(): number | undefined {
    return this.#running?.hasExited === false ? this.#running.pid : undefined;
  }

  /** Whether it runs and has said that it is ready since its last start. */
  get isReady(): boolean {
    return this.#ready;
  }

  /**
   * Starts the process and resolves when it is ready. Throws `SetupError`, with nothing left
   * running, when it cannot be executed, ends early (its last lines are told) or is not ready in
   * time.
   */
  async start(): Promise<void> {
    if (this.#started) throw new Error(`${this.spec.name} was already started`);
    this.#started = true;
    const launch = this.#launch();
    this.#keeping = launch.then(() => undefined, () => undefined);
    await launch;
    this.#keeping = this.#keepRunning();
  }

  /** Sends a signal to the running process, as a fault or a request; false when none runs. */
  kill(signal: Deno.Signal): boolean {
    const running = this.#running;
    if (running === undefined || running.hasExited) return false;
    try {
      running.child.kill(signal);
      return true;
    } catch (error) {
      // The process has ended, and the notice of it is still on its way.
      if (error instanceof TypeError || error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  }

  /**
   * Ends the process for good: its stop signal, then SIGKILL after `stopTimeoutMs`. Resolves when
   * nothing of it runs any more; may be called at any time and more than once.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#stopOnce();
    return this.#stopped;
  }

  /** Cuts a running `stop` short. */
  hasten(): void {
    if (this.#stopping.signal.aborted) this.kill(this.spec.hastenSignal);
  }

  async #stopOnce(): Promise<void> {
    this.#stopping.abort();
    const running = this.#running;
    if (running !== undefined && !running.hasExited) {
      this.kill(this.spec.stopSignal);
      if (!await settlesWithin(running.exited, this.spec.stopTimeoutMs)) {
        this.kill("SIGKILL");
        await settlesWithin(running.exited, KILL_TIMEOUT_MS);
      }
    }
    await this.#keeping;
  }

  /** Starts one process and waits until it is ready; throws `SetupError` with nothing running. */
  async #launch(): Promise<void> {
    const startedMs = performance.now();
    if (this.#stopping.signal.aborted) throw this.#failure("was stopped");
    const running = this.#spawn();
    const { name } = this.spec;
    this.#emit({ type: "started", name, pid: running.pid });
    const outcome = await this.#waitUntilReady(running);
    if (outcome.type === "ready") {
      this.#ready = true;
      const afterMs = Math.round(performance.now() - startedMs);
      this.#emit({ type: "ready", name, pid: running.pid, afterMs });
      return;
    }
    if (outcome.type === "late") {
      this.kill("SIGKILL");
      await settlesWithin(running.exited, KILL_TIMEOUT_MS);
      const seconds = Math.round(this.spec.readyTimeoutMs / 1000);
      throw this.#failure(`was not ready within ${seconds} s (${outcome.reason})`);
    }
    if (this.#stopping.signal.aborted) throw this.#failure("was stopped before it was ready");
    const status = await running.exited;
    const quoted = await this.#lastWords(running);
    throw this.#failure(`ended before it was ready (${describeExit(status)})${quoted}`);
  }

  #failure(what: string): SetupError {
    return new SetupError(`Cannot start ${this.spec.name}: it ${what}.`);
  }

  async #lastWords(running: Running): Promise<string> {
    const explained = await this.spec.explain?.().catch(() => []) ?? [];
    const lines = [...explained, ...running.lines.all()].map((line) => line.trim());
    const quoted = lines.filter((line) => line !== "").slice(-QUOTED_LINES);
    return quoted.length === 0 ? "" : `; its last lines: ${quoted.join(" | ").replace(/\.$/, "")}`;
  }

  async #waitUntilReady(
    running: Running,
  ): Promise<{ type: "ready" } | { type: "exited" } | { type: "late"; reason: string }> {
    const deadline = performance.now() + this.spec.readyTimeoutMs;
    let reason = "it does not answer";
    while (performance.now() < deadline) {
      if (running.hasExited) return { type: "exited" };
      try {
        if (await this.spec.isReady(running.pid)) return { type: "ready" };
      } catch (error) {
        reason = reasonOf(error);
      }
      await settlesWithin(running.exited, READY_POLL_MS);
    }
    return running.hasExited ? { type: "exited" } : { type: "late", reason };
  }

  /** Starts the process and puts it on record, all in one turn. */
  #spawn(): Running {
    const { command, args, env, clearEnv, cwd, user, input, name } = this.spec;
    let child: Deno.ChildProcess;
    try {
      child = new Deno.Command(command, {
        args: [...args],
        // Its own process group: Ctrl-C in the terminal must reach only the supervisor, which
        // then stops everything in order. Otherwise the servers end before the services drain.
        detached: true,
        stdin: input === undefined ? "null" : "piped",
        stdout: "piped",
        stderr: "piped",
        ...(env === undefined ? {} : { env: { ...env } }),
        ...(clearEnv === undefined ? {} : { clearEnv }),
        ...(cwd === undefined ? {} : { cwd }),
        ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
      }).spawn();
    } catch (error) {
      throw this.#failure(`cannot be executed (${reasonOf(error)})`);
    }
    this.#putOnRecord(child);
    const lines = new LastLines();
    const onLine = (line: string) => {
      lines.add(line);
      this.#hooks.onLine?.(name, line);
    };
    if (input !== undefined) giveInput(child, input);
    const outputs = [readLines(child.stdout, onLine), readLines(child.stderr, onLine)];
    const running: Running = {
      child,
      pid: child.pid,
      hasExited: false,
      lines,
      exited: child.status.then(async (status) => {
        running.hasExited = true;
        this.#ready = false;
        const done = Promise.all(outputs.map((output) => output.done));
        if (!await settlesWithin(done, LAST_OUTPUT_TIMEOUT_MS)) {
          await Promise.all(outputs.map((output) => output.cancel()));
        }
        this.#onExit(running.pid, status);
        return status;
      }),
    };
    this.#running = running;
    return running;
  }

  /** A child that cannot be put on record could not be found after a kill, so it is not kept. */
  #putOnRecord(child: Deno.ChildProcess): void {
    try {
      this.#hooks.record?.add(this.spec, child.pid);
    } catch (error) {
      child.kill("SIGKILL");
      throw this.#failure(`cannot be put on record (${reasonOf(error)})`);
    }
  }

  #onExit(pid: number, status: Deno.CommandStatus): void {
    const { name } = this.spec;
    try {
      this.#hooks.record?.remove(name);
    } catch (error) {
      // Harmless but for the disk that caused it: the start time on record no longer matches.
      this.#hooks.onLine?.(name, `cannot be taken off the record: ${reasonOf(error)}`);
    }
    const { code, signal } = status;
    const expected = this.#stopping.signal.aborted;
    this.#emit({ type: "exit", name, pid, code, signal, expected });
  }

  /** A listener's fault must not end the keeping of the process. */
  #emit(event: ProcessEvent): void {
    try {
      this.#hooks.onEvent?.(event);
    } catch (error) {
      this.#hooks.onLine?.(this.spec.name, `listener failed: ${reasonOf(error)}`);
    }
  }

  /** Starts the process again each time it ends, until `stop`. Never rejects. */
  async #keepRunning(): Promise<void> {
    const { signal } = this.#stopping;
    let delayMs = 0;
    while (!signal.aborted) {
      const readyAtMs = performance.now();
      const wasReady = this.#ready;
      await this.#running?.exited;
      if (signal.aborted) return;
      delayMs = nextDelayMs(delayMs, wasReady ? performance.now() - readyAtMs : 0);
      this.#emit({ type: "restart", name: this.spec.name, delayMs });
      await pause(delayMs, signal);
      if (signal.aborted) return;
      try {
        await this.#launch();
      } catch (error) {
        if (!signal.aborted) this.#hooks.onLine?.(this.spec.name, reasonOf(error));
      }
    }
  }
}

function giveInput(child: Deno.ChildProcess, input: string): void {
  const writer = child.stdin.getWriter();
  // A child that ends without reading its input is told by its exit, not here.
  writer.write(new TextEncoder().encode(input)).then(() => writer.close()).catch(() => undefined);
}

/** How a process ended, for people. */
export function describeExit(status: { code: number; signal: string | null }): string {
  return status.signal === null ? `exit code ${status.code}` : `signal ${status.signal}`;
}
