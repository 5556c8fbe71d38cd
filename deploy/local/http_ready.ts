/**
 * Asks a service's readiness URL. Without `fetch`, because that goes through the proxy of the
 * environment (HTTP_PROXY) even for this machine.
 */
import { settlesWithin } from "./waiting.ts";

const ANSWER_TIMEOUT_MS = 2_000;
/** The status line of an answer is far shorter. */
const STATUS_LINE_BYTES = 256;

/**
 * Whether a GET of the URL is answered with status 200. Rejects with the reason when it is not, for
 * the message after a time-out.
 */
export async function isHttpReady(url: string): Promise<boolean> {
  const { hostname, port, pathname, search } = new URL(url);
  const connection = await Deno.connect({ hostname, port: Number(port === "" ? 80 : port) });
  try {
    const request = `GET ${pathname}${search} HTTP/1.1\r\nHost: ${hostname}\r\n` +
      `Accept: application/json\r\nConnection: close\r\n\r\n`;
    await connection.write(new TextEncoder().encode(request));
    const answer = readStatus(connection);
    if (!await settlesWithin(answer, ANSWER_TIMEOUT_MS)) {
      answer.catch(() => undefined); // It ends with the connection, which is closed below.
      throw new Error(`${pathname} does not answer`);
    }
    const status = await answer;
    if (status !== 200) throw new Error(`${pathname} answers ${status}`);
    return true;
  } finally {
    connection.close();
  }
}

async function readStatus(connection: Deno.Conn): Promise<number> {
  const buffer = new Uint8Array(STATUS_LINE_BYTES);
  let length = 0;
  while (length < STATUS_LINE_BYTES) {
    const count = await connection.read(buffer.subarray(length));
    if (count === null) break;
    length += count;
    const status = /^HTTP\/1\.[01] (\d{3})/.exec(
      new TextDecoder().decode(buffer.subarray(0, length)),
    );
    if (status?.[1] !== undefined) return Number(status[1]);
  }
  throw new Error("the answer is not HTTP");
}
