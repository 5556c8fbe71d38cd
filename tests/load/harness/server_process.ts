/** A service of the product as a process of a bench, started by its own task's command line. */
import { join } from "node:path";
import { pause, withTimeout } from "shared/clock/timeout.ts";
import { PROJECT_DIR } from "../../../deploy/local/data_dir.ts";
import { isHttpReady } from "../../../deploy/local/http_ready.ts";
import { readTasks, serviceCommand } from "../../../deploy/local/service_command.ts";

const READY_TIMEOUT_MS = 30_000;
const LOOK_MS = 50;
const STOP_TIMEOUT_MS = 8_000;
/** What a program needs of our own environment to be started at all. */
const INHERITED = ["PATH", "HOME", "DENO_DIR"];

export class ServerProcess {
  readonly #child: Deno.ChildProcess;

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
  }

  /** Starts a service and waits until it is ready. */
  static async start(
    service: string,
    port: number,
    env: Readonly<Record<string, string>>,
  ): Promise<ServerProcess> {
    const { command, args } = serviceCommand(
      await readTasks(join(PROJECT_DIR, "deno.json")),
      service,
    );
    const inherited = INHERITED.flatMap((name) => {
      const value = Deno.env.get(name);
      return value === undefined ? [] : [[name, value]];
    });
    const child = new Deno.Command(command, {
      args,
      cwd: PROJECT_DIR,
      clearEnv: true,
      env: { ...Object.fromEntries(inherited), ...env, HOST: "127.0.0.1", PORT: String(port) },
      stdin: "null",
      stdout: "inherit",
      stderr: "inherit",
    }).spawn();
    const server = new ServerProcess(child);
    const ready = server.#ready(`http://127.0.0.1:${port}/health/ready`);
    await withTimeout(`${service}: ready`, READY_TIMEOUT_MS, ready);
    return server;
  }

  get pid(): number {
    return this.#child.pid;
  }

  async #ready(url: string): Promise<void> {
    while (true) {
      try {
        if (await isHttpReady(url)) return;
      } catch {
        // Not listening or not ready yet: the caller's time-out bounds this.
      }
      await pause(LOOK_MS);
    }
  }

  /** A fault: the process ends where it stands. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.status;
  }

  /** Asks the process to drain and end; ends it after 8 s. May be called again. */
  async stop(): Promise<void> {
    try {
      this.#child.kill("SIGTERM");
    } catch (error) {
      // It has ended before.
      if (error instanceof TypeError) return;
      throw error;
    }
    const ended = withTimeout("end of the server", STOP_TIMEOUT_MS, this.#child.status);
    await ended.catch(() => this.#child.kill("SIGKILL"));
  }
}
