/** A server's own log file in the data folder: bounded, and read when the server does not start. */
import { isAbsent } from "./program.ts";

/** At a start, a log longer than this becomes `<name>.old`, replacing the one before. */
const MAX_LOG_BYTES = 10 * 1024 * 1024;
const TAIL_BYTES = 8 * 1024;
const TAIL_LINES = 5;

/** Keeps the log of a server bounded; called before each run. */
export async function prepareLog(file: string): Promise<void> {
  try {
    if ((await Deno.stat(file)).size > MAX_LOG_BYTES) await Deno.rename(file, `${file}.old`);
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
}

/**
 * The command that runs a server with all its output appended to `file`. A shell opens the file, as
 * the server's user, and then becomes the server (`exec`), so the process id stays. A pipe to the
 * supervisor would break when that is killed.
 */
export function withLog(
  file: string,
  command: string,
  args: readonly string[],
): { command: string; args: string[] } {
  const script = 'log="$1"; shift; exec "$@" >>"$log" 2>&1';
  return { command: "/bin/sh", args: ["-c", script, "sh", file, command, ...args] };
}

/** The last lines of a log; none when it is not there. */
export async function tailOf(file: string): Promise<string[]> {
  let log: Deno.FsFile;
  try {
    log = await Deno.open(file);
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
  try {
    const { size } = await log.stat();
    await log.seek(Math.max(0, size - TAIL_BYTES), Deno.SeekMode.Start);
    const buffer = new Uint8Array(TAIL_BYTES);
    const count = await log.read(buffer) ?? 0;
    const lines = new TextDecoder().decode(buffer.subarray(0, count)).split("\n");
    return lines.filter((line) => line.trim() !== "").slice(-TAIL_LINES);
  } finally {
    log.close();
  }
}
