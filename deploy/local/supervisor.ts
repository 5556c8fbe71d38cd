/**
 * Runs the services of the demo as processes of their own: started in order, each waited for until
 * it is ready, their output prefixed, crashed ones started again, all stopped in reverse order.
 *
 * Concurrency contract. Each service is a `KeptProcess`, which has its own contract. `start` calls
 * are made one after the other by the caller; `stopAll` may come at any moment, also while a `start`
 * is under way (which then rejects), and more than once. Events are delivered in order, in the turn
 * in which they happen; a listener that throws is told in the output and harms nobody.
 */
import { PROJECT_DIR } from "./data_dir.ts";
import { isHttpReady } from "./http_ready.ts";
import { describeExit, KeptProcess, type ProcessEvent } from "./kept_process.ts";
import { formatLine, type LineStyle } from "./log_format.ts";
import type { RunRecord } from "./run_record.ts";
import { reasonOf } from "./setup_error.ts";

/** A service to run; `command` is `Deno.execPath()` for a Deno program (see service_command.ts). */
export interface ServiceSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Answers 200 when the service is ready, e.g. `http://127.0.0.1:8080/health/ready`. */
  readonly readyUrl: string;
  readonly readyTimeoutMs?: number;
  readonly cwd?: string;
}

/** What the supervisor works with. */
export interface SupervisorOptions {
  /** The record of the run (`servers.record`); without it a kill of the supervisor leaves orphans. */
  readonly record?: RunRecord;
  /** Stopped after the services. */
  readonly servers?: { stop(): Promise<void>; hasten(): void };
  /** Where output lines go; standard output by default. */
  readonly print?: (line: string) => void;
  readonly style?: LineStyle;
  /** Width of the name column; the widest name. */
  readonly nameWidth?: number;
}

/** How long a service may drain before it is killed. */
export const SERVICE_STOP_TIMEOUT_MS = 5_000;
const READY_TIMEOUT_MS = 60_000;
const DEFAULT_NAME_WIDTH = 9;
/** The supervisor's own lines carry this name. */
const OWN_NAME = "hexmile";

/** Starts, watches and stops services. */
export class Supervisor {
  #processes = new Map<string, KeptProcess>();
  #listeners = new Set<(event: ProcessEvent) => void>();
  #options: SupervisorOptions;
  #print: (line: string) => void;
  #style: LineStyle;
  #stopped: Promise<void> | undefined;
  #hastened = false;

  constructor(options: SupervisorOptions = {}) {
    this.#options = options;
    this.#print = options.print ?? printLine;
    this.#style = options.style ?? terminalStyle();
  }

  /**
   * Starts services at the same time and resolves when all are ready; call it once per step of the
   * order. Throws `SetupError` when one ends before it is ready (its last lines are in the message)
   * or is not ready in time; those that did start keep running until `stopAll`.
   */
  async start(...specs: readonly ServiceSpec[]): Promise<void> {
    if (this.#stopped !== undefined) throw new Error("the supervisor is stopping");
    const names = [...this.names, ...specs.map((spec) => spec.name)];
    if (new Set(names).size < names.length) throw new Error(`two services of ${names} are one`);
    const starts = specs.map((spec) => {
      const process = this.#makeProcess(spec);
      this.#processes.set(spec.name, process);
      return process.start();
    });
    const failed = (await Promise.allSettled(starts)).find((start) => start.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  /** Names in the order of their start. */
  get names(): string[] {
    return [...this.#processes.keys()];
  }

  /** The process id while the service runs. */
  pidOf(name: string): number | undefined {
    return this.#get(name).pid;
  }

  /** Whether the service runs and has become ready since its last start. */
  isReady(name: string): boolean {
    return this.#get(name).isReady;
  }

  /** Sends a signal, for faults on purpose; false when the service does not run at the moment. */
  kill(name: string, signal: Deno.Signal): boolean {
    return this.#get(name).kill(signal);
  }

  /** Ends one service for good, as `stopAll` does; the others go on. */
  async stop(name: string): Promise<void> {
    await this.#get(name).stop();
  }

  /** Calls back for each event until the returned function is called. */
  subscribe(listener: (event: ProcessEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** The next event that matches. Rejects after `timeoutMs`. */
  nextEvent(matches: (event: ProcessEvent) => boolean, timeoutMs: number): Promise<ProcessEvent> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        unsubscribe();
        reject(new Error(`no matching event within ${timeoutMs} ms`));
      }, timeoutMs);
      const unsubscribe = this.subscribe((event) => {
        if (!matches(event)) return;
        clearTimeout(timer);
        unsubscribe();
        resolve(event);
      });
    });
  }

  /** Prints a line of the supervisor itself, in the form of the services' lines. */
  say(line: string): void {
    this.#write(OWN_NAME, -1, line);
  }

  /**
   * Stops the services in reverse order of their start (SIGTERM, SIGKILL after 5 s), then the
   * servers. Rejects only when the servers cannot be stopped.
   */
  stopAll(): Promise<void> {
    this.#stopped ??= this.#stopOnce();
    return this.#stopped;
  }

  /** Cuts `stopAll` short: everything left is killed at once (Postgres shuts down immediately). */
  hasten(): void {
    this.#hastened = true;
    for (const process of this.#processes.values()) process.hasten();
    this.#options.servers?.hasten();
  }

  async #stopOnce(): Promise<void> {
    for (const process of [...this.#processes.values()].reverse()) {
      const stopping = process.stop();
      if (this.#hastened) process.hasten();
      await stopping;
    }
    const stopping = this.#options.servers?.stop();
    if (this.#hastened) this.#options.servers?.hasten();
    await stopping;
  }

  #get(name: string): KeptProcess {
    const process = this.#processes.get(name);
    if (process === undefined) throw new Error(`no service is called ${name}`);
    return process;
  }

  #makeProcess(spec: ServiceSpec): KeptProcess {
    const { name, command, args, readyUrl, readyTimeoutMs, env, cwd } = spec;
    const index = this.#processes.size;
    return new KeptProcess({
      name,
      kind: "service",
      command,
      args,
      env: { ...childEnv(Deno.env.toObject()), ...env },
      cwd: cwd ?? PROJECT_DIR,
      stopSignal: "SIGTERM",
      stopTimeoutMs: SERVICE_STOP_TIMEOUT_MS,
      hastenSignal: "SIGKILL",
      readyTimeoutMs: readyTimeoutMs ?? READY_TIMEOUT_MS,
      isReady: () => isHttpReady(readyUrl),
    }, {
      record: this.#options.record,
      onLine: (_name, line) => this.#write(name, index, line),
      onEvent: (event) => this.#onEvent(event),
    });
  }

  #onEvent(event: ProcessEvent): void {
    if (event.type === "exit" && !event.expected) {
      this.say(`${event.name} ended by itself (${describeExit(event)})`);
    } else if (event.type === "restart") {
      this.say(`${event.name} is started again in ${event.delayMs} ms`);
    }
    for (const listener of [...this.#listeners]) {
      try {
        listener(event);
      } catch (error) {
        this.say(`a listener of ${event.name} failed: ${reasonOf(error)}`);
      }
    }
  }

  #write(name: string, index: number, line: string): void {
    const nameWidth = this.#options.nameWidth ?? DEFAULT_NAME_WIDTH;
    const from = { name, nameWidth, index: index + 1 };
    this.#print(formatLine(line, from, this.#style));
  }
}

/**
 * What is set for every child: no update check, no proxy for this machine (a proxy of the
 * environment would otherwise get the calls from one service to another).
 */
export function childEnv(env: Readonly<Record<string, string>>): Record<string, string> {
  const given = env["NO_PROXY"] ?? env["no_proxy"];
  const noProxy = [given, "127.0.0.1,localhost"].filter((part) =>
    part !== undefined && part !== ""
  );
  const value = noProxy.join(",");
  return { DENO_NO_UPDATE_CHECK: "1", NO_PROXY: value, no_proxy: value };
}

/** Colours and readable lines on a terminal, plain ones elsewhere (and for NO_COLOR no colours). */
export function terminalStyle(): LineStyle {
  const terminal = Deno.stdout.isTerminal();
  return { colour: terminal && !Deno.noColor, readable: terminal };
}

const encoder = new TextEncoder();

/**
 * Writes a line to standard output. A reader that has gone away (`| head`, a closed terminal) must
 * not end the supervisor, which would leave its children behind: the line is dropped.
 */
export function printLine(line: string): void {
  const bytes = encoder.encode(line + "\n");
  try {
    for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
  } catch {
    // Dropped, see above; there is nowhere left to tell it.
  }
}
