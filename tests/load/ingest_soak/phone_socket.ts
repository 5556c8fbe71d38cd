/**
 * One phone's WebSocket, written by hand over TCP: `WebSocket` of the runtime costs the generator
 * more than the server it loads (RFC 6455; only what our server sends is read).
 *
 * Contract: `onEnd` is called once, however the connection ends; nothing is sent afterwards. Nothing
 * throws into the caller.
 */
const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;
const BUFFER_BYTES = 1_024;
/** Of an answer to a batch: up to a hundred words. */
const MAX_FRAME_BYTES = 8 * 1_024;
const HEAD_END = "\r\n\r\n";
const PATH = "/api/v1/courier/positions";
const OPEN_TIMEOUT_MS = 10_000;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export interface PhoneEvents {
  onText(text: string): void;
  onEnd(): void;
}

export class PhoneSocket {
  readonly #connection: Deno.TcpConn;
  readonly #events: PhoneEvents;
  #buffer = new Uint8Array(BUFFER_BYTES);
  #length = 0;
  #hasEnded = false;

  private constructor(connection: Deno.TcpConn, events: PhoneEvents) {
    this.#connection = connection;
    this.#events = events;
  }

  /** @throws where the server is away or refuses. */
  static async open(port: number, token: string, events: PhoneEvents): Promise<PhoneSocket> {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    // Otherwise one that is never answered would hold its place for ever.
    const late = setTimeout(() => connection.close(), OPEN_TIMEOUT_MS);
    try {
      connection.setNoDelay(true);
      await connection.write(encoder.encode(
        `GET ${PATH} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nconnection: Upgrade\r\n` +
          `upgrade: websocket\r\nsec-websocket-version: 13\r\n` +
          `sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nauthorization: Bearer ${token}${HEAD_END}`,
      ));
      await readHead(connection);
    } catch (error) {
      closeQuietly(connection);
      throw error;
    } finally {
      clearTimeout(late);
    }
    const socket = new PhoneSocket(connection, events);
    void socket.#listen();
    return socket;
  }

  get isOpen(): boolean {
    return !this.#hasEnded;
  }

  send(text: string): void {
    this.#write(TEXT, encoder.encode(text));
  }

  close(): void {
    this.#end();
  }

  /** Masked with zeros, which the protocol allows and costs nothing. */
  #write(opcode: number, payload: Uint8Array): void {
    if (this.#hasEnded) return;
    const isShort = payload.length < 126;
    const frame = new Uint8Array((isShort ? 6 : 8) + payload.length);
    frame[0] = 0x80 | opcode;
    frame[1] = 0x80 | (isShort ? payload.length : 126);
    if (!isShort) new DataView(frame.buffer).setUint16(2, payload.length);
    frame.set(payload, isShort ? 6 : 8);
    this.#connection.write(frame).catch(() => this.#end());
  }

  async #listen(): Promise<void> {
    try {
      while (!this.#hasEnded) {
        const count = await this.#connection.read(this.#buffer.subarray(this.#length));
        if (count === null) break;
        this.#length += count;
        this.#take();
      }
    } catch {
      // A connection that breaks is what phones are used to; `onEnd` tells.
    }
    this.#end();
  }

  /** Takes whole frames from the buffer. */
  #take(): void {
    let at = 0;
    while (this.#length - at >= 2) {
      const short = (this.#buffer[at + 1] ?? 0) & 0x7f;
      const head = short < 126 ? 2 : 4;
      if (this.#length - at < head) break;
      const length = short < 126
        ? short
        : (this.#buffer[at + 2] ?? 0) << 8 | (this.#buffer[at + 3] ?? 0);
      if (short === 127 || length > MAX_FRAME_BYTES) return this.#end();
      if (this.#length - at < head + length) {
        this.#makeRoom(head + length);
        break;
      }
      const payload = this.#buffer.subarray(at + head, at + head + length);
      this.#hear((this.#buffer[at] ?? 0) & 0x0f, payload);
      at += head + length;
    }
    this.#buffer.copyWithin(0, at, this.#length);
    this.#length -= at;
  }

  #makeRoom(bytes: number): void {
    if (bytes <= this.#buffer.length) return;
    const larger = new Uint8Array(bytes + BUFFER_BYTES);
    larger.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = larger;
  }

  #hear(opcode: number, payload: Uint8Array): void {
    if (opcode === TEXT) this.#events.onText(decoder.decode(payload));
    else if (opcode === PING) this.#write(PONG, payload.slice());
    else if (opcode === CLOSE) this.#end();
  }

  #end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    closeQuietly(this.#connection);
    this.#events.onEnd();
  }
}

async function readHead(connection: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(BUFFER_BYTES);
  let head = "";
  while (!head.includes(HEAD_END)) {
    const count = await connection.read(buffer);
    if (count === null || head.length > BUFFER_BYTES) throw new Error("no answer to the upgrade");
    head += decoder.decode(buffer.subarray(0, count));
  }
  if (!head.startsWith("HTTP/1.1 101 ")) throw new Error(`not upgraded: ${head.slice(0, 60)}`);
}

function closeQuietly(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch {
    // It was closed before.
  }
}
