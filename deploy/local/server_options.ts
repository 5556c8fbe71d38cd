/** What the start of either server needs. */
import type { ProcessHooks } from "./kept_process.ts";
import type { ServerUser } from "./program.ts";

/** Options of `startRedis` and `startPostgres`. */
export interface ServerOptions {
  /** An existing folder for this server's data, password and log. */
  readonly dataDir: string;
  readonly programsDir: string;
  readonly user: ServerUser | undefined;
  /** false: no fsync and no log, for tests; what is committed is lost when the machine stops. */
  readonly durable: boolean;
  /** A fixed port; undefined takes a free one. */
  readonly port?: number | undefined;
  /** The value of PATH, where programs are looked for. */
  readonly path: string;
  readonly say: (line: string) => void;
  readonly hooks: ProcessHooks;
  readonly signal?: AbortSignal | undefined;
}
