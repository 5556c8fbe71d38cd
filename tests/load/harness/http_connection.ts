/**
 * One kept HTTP/1.1 connection, one request at a time. `fetch` costs the generator as much CPU as
 * the server it measures; this costs a tenth, and needs only what our loads send and our servers
 * answer: ASCII out, answers with a Content-Length back.
 */
const HEAD_END = "\r\n\r\n";
const CR = 0x0d;
const LF = 0x0a;
const ZERO = 0x30;
const LENGTH = /\r\ncontent-length: *(\d+)/i;
/** Longest request: a batch of 100 positions is 14 KB. */
const MAX_REQUEST_BYTES = 64 * 1024;
/** Longest answer: an order is about 1 KB. */
const MAX_ANSWER_BYTES = 64 * 1024;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export interface RawAnswer {
  readonly status: number;
  readonly body: string;
}

export class HttpConnection {
  readonly #connection: Deno.TcpConn;
  readonly #host: string;
  readonly #request = new Uint8Array(MAX_REQUEST_BYTES);
  readonly #answer = new Uint8Array(MAX_ANSWER_BYTES);
  /** Of the last answer: where its body begins and ends. */
  #bodyAt = 0;
  #end = 0;

  private constructor(connection: Deno.TcpConn, host: string) {
    this.#connection = connection;
    this.#host = host;
  }

  static async open(port: number): Promise<HttpConnection> {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    connection.setNoDelay(true);
    return new HttpConnection(connection, `127.0.0.1:${port}`);
  }

  /**
   * Sends and waits.
   *
   * @throws when the connection ends before the answer does, or the request is too long or not ASCII.
   */
  async post(path: string, headers: string, body: string): Promise<RawAnswer> {
    const text = `POST ${path} HTTP/1.1\r\nhost: ${this.#host}\r\n` +
      `content-type: application/json\r\ncontent-length: ${body.length}\r\n${headers}\r\n${body}`;
    const { read, written } = encoder.encodeInto(text, this.#request);
    if (read !== text.length || written !== text.length) {
      throw new Error(`a request must be ASCII and at most ${MAX_REQUEST_BYTES} bytes`);
    }
    return await this.send(this.#request.subarray(0, written));
  }

  /** Sends a whole request, head and body, and waits. @throws as `post`. */
  async send(request: Uint8Array): Promise<RawAnswer> {
    const status = await this.status(request);
    return { status, body: this.body };
  }

  /** The same for who only counts: nothing is made of the body, unless `body` is read. */
  async status(request: Uint8Array): Promise<number> {
    let sent = await this.#connection.write(request);
    while (sent < request.length) sent += await this.#connection.write(request.subarray(sent));
    return await this.#read();
  }

  /** Of the last answer, until the next request. */
  get body(): string {
    return decoder.decode(this.#answer.subarray(this.#bodyAt, this.#end));
  }

  close(): void {
    this.#connection.close();
  }

  async #read(): Promise<number> {
    let length = 0;
    let end = Infinity;
    while (length < end) {
      const count = await this.#connection.read(this.#answer.subarray(length));
      if (count === null) throw new Error("the server has closed the connection");
      length += count;
      if (length === MAX_ANSWER_BYTES) throw new Error("the answer is too long");
      if (end !== Infinity) continue;
      // As nearly always: it is laid out as the one before, so its length is the same too.
      if (length === this.#end && this.#isHeadEnd(this.#bodyAt)) return this.#status();
      const text = decoder.decode(this.#answer.subarray(0, length));
      // The head is ASCII: its characters are its bytes.
      const headEnd = text.indexOf(HEAD_END);
      if (headEnd < 0) continue;
      const told = LENGTH.exec(text.slice(0, headEnd))?.[1];
      if (told === undefined) throw new Error(`an answer without a length: ${text}`);
      this.#bodyAt = headEnd + HEAD_END.length;
      end = this.#bodyAt + Number(told);
    }
    this.#end = end;
    return this.#status();
  }

  #isHeadEnd(at: number): boolean {
    const answer = this.#answer;
    return at >= 4 && answer[at - 4] === CR && answer[at - 3] === LF && answer[at - 2] === CR &&
      answer[at - 1] === LF;
  }

  /** `HTTP/1.1 200 OK`: the digits from the ninth byte on. */
  #status(): number {
    const digit = (at: number) => (this.#answer[at] ?? ZERO) - ZERO;
    return digit(9) * 100 + digit(10) * 10 + digit(11);
  }
}
