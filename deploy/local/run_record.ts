/**
 * `run.json` in the data folder: which processes a run has started. It is what a next run needs to
 * clean up after one that was killed.
 *
 * Concurrency contract. One run owns a data folder: it holds an exclusive lock on `run.lock`, which
 * the kernel drops when the process ends in whatever way. `add`, `remove` and `setPorts` are
 * synchronous and replace the file whole (write aside, rename), so a reader never sees a half and a
 * child is on record in the same turn in which it was started.
 */
import { join } from "node:path";
import { z } from "zod";
import { endProcess, identityOf, isRunning, type ProcessIdentity } from "./process_identity.ts";
import { isAbsent } from "./program.ts";
import { reasonOf, SetupError } from "./setup_error.ts";
import { pause } from "./waiting.ts";

/** How long an orphan gets to stop by itself. */
const ORPHAN_TIMEOUT_MS = 5_000;
/** How long to wait for the lock: a run that is just ending may still hold it. */
const LOCK_ATTEMPTS = 10;
const LOCK_PAUSE_MS = 50;

const STOP_SIGNALS = ["SIGTERM", "SIGINT", "SIGQUIT"] as const;
/** How a child is asked to end; Postgres takes SIGINT as its fast shutdown. */
export type StopSignal = typeof STOP_SIGNALS[number];

const identitySchema = z.object({ pid: z.int().positive(), startedAt: z.string().min(1) });
const childSchema = identitySchema.extend({
  name: z.string(),
  /** Services are ended before the servers they talk to. */
  kind: z.enum(["service", "server"]),
  stopSignal: z.enum(STOP_SIGNALS),
});
const recordSchema = z.object({
  supervisor: identitySchema,
  ports: z.record(z.string(), z.int()),
  children: z.array(childSchema),
});

/** One child on record. */
export type RecordedChild = z.infer<typeof childSchema>;
/** The whole content of `run.json`. */
export type RunContent = z.infer<typeof recordSchema>;

/** The open record of this run; made by `RunRecord.open`. */
export class RunRecord {
  #file: string;
  #lock: Deno.FsFile;
  #content: RunContent;

  private constructor(file: string, lock: Deno.FsFile, content: RunContent) {
    this.#file = file;
    this.#lock = lock;
    this.#content = content;
  }

  /**
   * Takes the data folder for this process. Throws `SetupError` when a live run has it; ends the
   * children that a killed run left behind, services first, and tells so through `say`.
   */
  static async open(dataDir: string, say: (line: string) => void): Promise<RunRecord> {
    const file = join(dataDir, "run.json");
    const lock = await takeLock(dataDir, file);
    try {
      const self = identityOf(Deno.pid);
      if (self === undefined) throw new SetupError("Cannot read this process's own start time.");
      const earlier = await readRunContent(file);
      if (earlier !== undefined) await endOrphans(earlier, say);
      const record = new RunRecord(file, lock, { supervisor: self, ports: {}, children: [] });
      record.#write();
      return record;
    } catch (error) {
      lock.close();
      if (error instanceof SetupError) throw error;
      throw new SetupError(`Cannot use the data folder ${dataDir}: ${reasonOf(error)}.`, {
        cause: error,
      });
    }
  }

  /** Puts a child on record; one that has already ended is left out. */
  add(child: Pick<RecordedChild, "name" | "kind" | "stopSignal">, pid: number): void {
    const identity = identityOf(pid);
    this.remove(child.name);
    if (identity === undefined) return;
    // Field by field: callers hand over whole specifications, whose environment has passwords.
    const { name, kind, stopSignal } = child;
    this.#content.children.push({ name, kind, stopSignal, ...identity });
    this.#write();
  }

  /** Takes a child off the record; silent when it is not on it. */
  remove(name: string): void {
    const children = this.#content.children.filter((child) => child.name !== name);
    if (children.length === this.#content.children.length) return;
    this.#content.children = children;
    this.#write();
  }

  /** Keeps the ports of the run, for whoever finds the folder taken. */
  setPorts(ports: Readonly<Record<string, number>>): void {
    Object.assign(this.#content.ports, ports);
    this.#write();
  }

  /** Ends the run: the file goes, the lock is dropped. */
  close(): void {
    try {
      Deno.removeSync(this.#file);
    } catch (error) {
      if (!isAbsent(error)) throw error;
    } finally {
      this.#lock.close();
    }
  }

  #write(): void {
    const aside = `${this.#file}.new`;
    Deno.writeTextFileSync(aside, JSON.stringify(this.#content, null, 2) + "\n", { mode: 0o600 });
    Deno.renameSync(aside, this.#file);
  }
}

/** Whether a live process has this data folder; false for a folder without a readable record. */
export async function isInUse(dataDir: string): Promise<boolean> {
  const content = await readRunContent(join(dataDir, "run.json"));
  return content !== undefined && isRunning(content.supervisor);
}

/**
 * The record a run left; undefined when there is none. One that cannot be understood (an older
 * format, a disk that was full) is treated as none, since nothing in it could be trusted.
 */
export async function readRunContent(file: string): Promise<RunContent | undefined> {
  let text: string;
  try {
    text = await Deno.readTextFile(file);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
  try {
    return recordSchema.parse(JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return undefined;
    throw error;
  }
}

async function takeLock(dataDir: string, recordFile: string): Promise<Deno.FsFile> {
  let lock: Deno.FsFile;
  try {
    lock = await Deno.open(join(dataDir, "run.lock"), {
      create: true,
      write: true,
      read: true,
      mode: 0o600,
    });
  } catch (error) {
    throw new SetupError(`Cannot use the data folder ${dataDir}: ${reasonOf(error)}.`, {
      cause: error,
    });
  }
  for (let attempt = 0; attempt < LOCK_ATTEMPTS; attempt++) {
    if (await lock.tryLock(true)) return lock;
    await pause(LOCK_PAUSE_MS);
  }
  lock.close();
  throw new SetupError(alreadyRunning(dataDir, await readRunContent(recordFile)));
}

/** The sentence for a folder that another live run has. */
export function alreadyRunning(dataDir: string, content: RunContent | undefined): string {
  const pid = content === undefined ? "" : ` as process ${content.supervisor.pid}`;
  const ports = Object.entries(content?.ports ?? {}).map(([name, port]) => `${name} on ${port}`);
  const where = ports.length === 0 ? "" : ` (${ports.join(", ")})`;
  return `Hexmile is already running${pid}${where} with the data in ${dataDir}: ` +
    `stop it, or choose another --port and --data.`;
}

/** Ends what a killed run left: all its services at once, then all its servers. */
async function endOrphans(content: RunContent, say: (line: string) => void): Promise<void> {
  const left = content.children.filter((child) => isRunning(child));
  if (left.length === 0) return;
  say(`An earlier run was killed; ending what it left: ${left.map((c) => c.name).join(", ")}`);
  for (const kind of ["service", "server"] as const) {
    const ending = left.filter((child) => child.kind === kind).map((child) =>
      endProcess(child as ProcessIdentity, child.stopSignal, ORPHAN_TIMEOUT_MS)
    );
    const failed = (await Promise.allSettled(ending)).find((end) => end.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }
}
