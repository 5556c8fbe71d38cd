/** The child's side of `BenchProcess`. */
import type { Message } from "./bench_process.ts";

/** The settings the parent gave. The parent is of the same source tree, so nothing is checked. */
export function readSettings<Settings>(): Settings {
  return JSON.parse(Deno.args[0] ?? "{}") as Settings;
}

/** Tells the parent something. */
export function tell(type: Message["type"], count = 0, data?: unknown): void {
  console.log(JSON.stringify({ type, atMs: Date.now(), count, data }));
}

/** Waits for the parent's word to begin. */
export async function told(): Promise<void> {
  const reader = Deno.stdin.readable.getReader();
  await reader.read();
  reader.releaseLock();
}

/** What the parent says, line by line; each wants an `answer`. Ends with the parent. */
export async function* toldLines(): AsyncGenerator<string> {
  let rest = "";
  for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

/** Answers what the parent said. */
export function answer(data: unknown): void {
  tell("answer", 0, data);
}

/** Aborts when the parent asks the process to end. */
export function stopSignal(): AbortSignal {
  const stopping = new AbortController();
  Deno.addSignalListener("SIGTERM", () => stopping.abort());
  return stopping.signal;
}

/** Waits until the parent asks the process to end. */
export async function stopped(): Promise<void> {
  const signal = stopSignal();
  if (signal.aborted) return;
  await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
}
