/** An HTTP client that may break every rule: bytes over a connection of its own. */
import { withTimeout } from "shared/clock/timeout.ts";

/** How long an answer may take. */
const BOUND_MS = 10_000;
const MAX_ANSWER_BYTES = 1024 * 1024;

export interface RawAnswer {
  readonly status: number;
  /** With lower-case names. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
  /** The code of a problem. */
  readonly code: string | undefined;
}

/**
 * Sends bytes and reads until the server has closed the connection, so the request must say
 * `connection: close`, be the last half of one, or be one that ends it.
 *
 * @param parts each is written by itself.
 * @returns the answers, interim ones too; none where the server only closed.
 */
export async function askRaw(
  url: string,
  parts: readonly (string | Uint8Array)[],
  { isHalfClosed = false }: { readonly isHalfClosed?: boolean } = {},
): Promise<RawAnswer[]> {
  const { hostname, port } = new URL(url);
  const connection = await Deno.connect({ hostname, port: Number(port) });
  try {
    const reading = readAll(connection);
    try {
      for (const part of parts) {
        const bytes = typeof part === "string" ? new TextEncoder().encode(part) : part;
        for (let sent = 0; sent < bytes.length;) {
          sent += await connection.write(bytes.subarray(sent));
        }
      }
      if (isHalfClosed) await connection.closeWrite();
    } catch {
      // It would not hear more: what it said is read all the same.
    }
    return answersIn(await withTimeout("the end of the connection", BOUND_MS, reading));
  } finally {
    connection.close();
  }
}

/** What comes until the end, which may be a reset. */
async function readAll(connection: Deno.Conn): Promise<string> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(16 * 1024);
  let text = "";
  try {
    while (text.length < MAX_ANSWER_BYTES) {
      const read = await connection.read(buffer);
      if (read === null) break;
      text += decoder.decode(buffer.subarray(0, read), { stream: true });
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
  }
  return text;
}

function answersIn(text: string): RawAnswer[] {
  const starts = [...text.matchAll(/HTTP\/1\.[01] \d{3} /g)].map(({ index }) => index);
  return starts.map((start, at) => answerIn(text.slice(start, starts[at + 1])));
}

function answerIn(text: string): RawAnswer {
  const [head = "", body = ""] = text.split("\r\n\r\n", 2);
  const [first = "", ...lines] = head.split("\r\n");
  const headers = lines.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
  });
  return {
    status: Number(first.slice("HTTP/1.1 ".length, "HTTP/1.1 200".length)),
    headers: new Map(headers),
    body,
    code: /"code":"([^"]+)"/.exec(body)?.[1],
  };
}
