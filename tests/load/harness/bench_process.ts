/**
 * A process of a bench. Parent and child speak in lines: the child prints JSON messages, the parent
 * writes words to its standard input.
 *
 * Contract: a message is kept until somebody waits for it, so that none is missed; every wait has a
 * bound and ends with the process. `stop` leaves nothing running.
 */
import { fileURLToPath } from "node:url";
import { withTimeout } from "shared/clock/timeout.ts";
import type { Program } from "./node_program.ts";

const STOP_TIMEOUT_MS = 5_000;

/** What a child tells. `atMs` is the wall clock, which the processes of a machine share. */
export interface Message {
  readonly type: "ready" | "warm" | "started" | "done" | "holding" | "answer";
  readonly atMs: number;
  readonly count: number;
  /** What else the child has to say; parent and child are of one source tree. */
  readonly data?: unknown;
}

/** One child of a bench. */
export class BenchProcess {
  readonly name: string;
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #messages: Message[] = [];
  #wake = Promise.withResolvers<void>();
  #hasEnded = false;

  /** @param program a file of Deno's, or something else to start; its last argument is settings. */
  constructor(name: string, program: URL | Program, settings: unknown) {
    this.name = name;
    const { command, args } = program instanceof URL
      ? { command: Deno.execPath(), args: ["run", "-A", "--quiet", fileURLToPath(program)] }
      : program;
    this.#child = new Deno.Command(command, {
      args: [...args, JSON.stringify(settings)],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    void this.#listen();
    void this.#child.status.then(() => {
      this.#hasEnded = true;
      this.#wake.resolve();
    });
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Tells the child to begin. */
  async go(): Promise<void> {
    await this.#say("go");
  }

  /** Says a line to a child that answers each one, and waits for that. One at a time. */
  async ask(line: string, timeoutMs: number): Promise<unknown> {
    await this.#say(line);
    return (await this.message("answer", timeoutMs)).data;
  }

  async #say(line: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(`${line}\n`));
  }

  /** The next message of this type. @throws when it does not come in time. */
  async message(type: Message["type"], timeoutMs: number): Promise<Message> {
    return await withTimeout(`${this.name}: ${type}`, timeoutMs, this.#next(type));
  }

  async #next(type: Message["type"]): Promise<Message> {
    while (true) {
      const index = this.#messages.findIndex((message) => message.type === type);
      const [message] = index < 0 ? [] : this.#messages.splice(index, 1);
      if (message !== undefined) return message;
      if (this.#hasEnded) throw new Error(`${this.name} ended before it was "${type}"`);
      await this.#wake.promise;
    }
  }

  async #listen(): Promise<void> {
    let rest = "";
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#hear(line);
    }
  }

  #hear(line: string): void {
    if (!line.startsWith("{")) {
      console.log(`${this.name}: ${line}`);
      return;
    }
    // Written by `tell` of the same source tree.
    this.#messages.push(JSON.parse(line) as Message);
    this.#wake.resolve();
    this.#wake = Promise.withResolvers<void>();
  }

  /** A fault: the process ends where it stands. */
  async kill(): Promise<void> {
    if (!this.#hasEnded) this.#child.kill("SIGKILL");
    await this.#child.status;
  }

  /** Asks the process to end, and ends it after 5 s. */
  async stop(): Promise<void> {
    if (this.#hasEnded) return;
    this.#child.kill("SIGTERM");
    const ended = withTimeout(`${this.name}: end`, STOP_TIMEOUT_MS, this.#child.status);
    await ended.catch(() => this.kill());
  }
}
