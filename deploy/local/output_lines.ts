/** The output of a child, line by line, and its last lines for an error message. */

/** A longer line is cut into pieces: a child must not fill the supervisor's memory. */
export const MAX_LINE_CHARS = 64 * 1024;
/** How many lines are kept to explain an early end. */
export const KEPT_LINES = 20;

/** Splits text that arrives in pieces into lines of at most `MAX_LINE_CHARS`. */
export class LineSplitter {
  #rest = "";
  #onLine: (line: string) => void;

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  /** Takes the next piece; calls back for each line that is complete. */
  push(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#emit(line);
    while (this.#rest.length > MAX_LINE_CHARS) {
      this.#onLine(this.#rest.slice(0, MAX_LINE_CHARS));
      this.#rest = this.#rest.slice(MAX_LINE_CHARS);
    }
  }

  /** The stream has ended: what is left is a line too. */
  end(): void {
    if (this.#rest !== "") this.#emit(this.#rest);
    this.#rest = "";
  }

  #emit(line: string): void {
    const text = line.replace(/\r$/, "");
    if (text.length === 0) this.#onLine(text);
    for (let at = 0; at < text.length; at += MAX_LINE_CHARS) {
      this.#onLine(text.slice(at, at + MAX_LINE_CHARS));
    }
  }
}

/** The newest `KEPT_LINES` lines. */
export class LastLines {
  #lines: string[] = [];

  /** Keeps a line, forgetting the oldest beyond the bound. */
  add(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > KEPT_LINES) this.#lines.shift();
  }

  /** The kept lines, oldest first. */
  all(): readonly string[] {
    return this.#lines;
  }
}

/**
 * Reads a child's stream to its end. `cancel` gives it up, for the case that a grandchild keeps the
 * pipe open. `done` never rejects: a broken pipe is the end of the output and nothing more.
 */
export function readLines(
  stream: ReadableStream<Uint8Array>,
  onLine: (line: string) => void,
): { done: Promise<void>; cancel: () => Promise<void> } {
  const reader = stream.getReader();
  const splitter = new LineSplitter(onLine);
  const decoder = new TextDecoder();
  const read = async () => {
    while (true) {
      const { value, done } = await reader.read();
      if (done) break;
      splitter.push(decoder.decode(value, { stream: true }));
    }
    splitter.end();
  };
  return {
    done: read().catch(() => splitter.end()),
    cancel: () => reader.cancel().catch(() => undefined),
  };
}
