/**
 * Short-lived helper programs (`apt-get`, `initdb`, `docker info`, ...): run one to its end with a
 * bound, and find one on PATH.
 */
import { SetupError } from "./setup_error.ts";

/** The system user a server runs as when Hexmile itself runs as root. */
export interface ServerUser {
  readonly uid: number;
  readonly gid: number;
}

/** How a helper program is run; without `clearEnv` it inherits this process's environment. */
export interface ProgramOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly clearEnv?: boolean;
  readonly user?: ServerUser | undefined;
  readonly timeoutMs?: number;
  /** Ends the program early, for Ctrl-C during the set-up. */
  readonly signal?: AbortSignal | undefined;
}

/** `code` is -1 when the program could not be started at all; the reason is then in `stderr`. */
export interface ProgramResult {
  readonly ok: boolean;
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const DEFAULT_PROGRAM_TIMEOUT_MS = 30_000;

/**
 * Runs a program to its end and collects its output. A program that is missing, may not be
 * executed, or exceeds `timeoutMs` gives `ok: false` and never throws: most callers try the next
 * way. Throws only when `signal` is aborted, because then nothing else must be tried.
 */
export async function runProgram(
  command: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<ProgramResult> {
  const { cwd, env, clearEnv, user, signal } = options;
  throwIfStopped(signal);
  const timeoutMs = options.timeoutMs ?? DEFAULT_PROGRAM_TIMEOUT_MS;
  const ending = new AbortController();
  const timer = setTimeout(() => ending.abort(), timeoutMs);
  const onAbort = () => ending.abort();
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    const output = await new Deno.Command(command, {
      args: [...args],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      signal: ending.signal,
      // Deno enters the folder as that user, who may not be allowed into the one we are in.
      ...(cwd === undefined && user === undefined ? {} : { cwd: cwd ?? "/" }),
      ...(env === undefined ? {} : { env: { ...env } }),
      ...(clearEnv === undefined ? {} : { clearEnv }),
      ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
    }).output();
    throwIfStopped(signal);
    const decoder = new TextDecoder();
    const stderr = decoder.decode(output.stderr);
    return {
      ok: output.success,
      code: output.code,
      stdout: decoder.decode(output.stdout),
      stderr: ending.signal.aborted ? `${command} did not end within ${timeoutMs} ms` : stderr,
    };
  } catch (error) {
    if (error instanceof SetupError) throw error;
    return { ok: false, code: -1, stdout: "", stderr: String(error) };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

/** Throws the `SetupError` of an interrupted set-up when `signal` is aborted. */
export function throwIfStopped(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new SetupError("Stopped before everything was started.");
}

/** The last non-empty line of a program's complaint: usually the one that says why. */
export function lastLine(result: ProgramResult): string {
  const lines = `${result.stdout}\n${result.stderr}`.split("\n").map((line) => line.trim());
  return lines.findLast((line) => line !== "") ?? `exit code ${result.code}`;
}

/**
 * The first of `names` found as an executable file in the folders of `pathValue` (the value of
 * PATH), trying every folder for the first name before the second name.
 */
export function findOnPath(names: readonly string[], pathValue: string): string | undefined {
  const folders = pathValue.split(Deno.build.os === "windows" ? ";" : ":").filter((dir) =>
    dir !== ""
  );
  for (const name of names) {
    for (const folder of folders) {
      const file = `${folder}/${name}`;
      if (isExecutable(file)) return file;
    }
  }
  return undefined;
}

function isExecutable(file: string): boolean {
  try {
    const info = Deno.statSync(file);
    return info.isFile && (info.mode === null || (info.mode & 0o111) !== 0);
  } catch (error) {
    if (isAbsent(error) || error instanceof Deno.errors.PermissionDenied) return false;
    throw error;
  }
}

/** Whether a file system error only says that the path is not there. */
export function isAbsent(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory;
}
