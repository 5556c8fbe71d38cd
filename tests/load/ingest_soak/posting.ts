/**
 * Phones that post: some kept connections for all of them, as a proxy before ingest has.
 *
 * Contract: a post is answered or refused once; the queue is bounded, and over the bound a post is
 * refused at once, so that its phone keeps what it has.
 */
import { pause } from "shared/clock/timeout.ts";
import { HttpConnection, type RawAnswer } from "../harness/http_connection.ts";

const CONNECTIONS = 48;
const MAX_WAITING = 20_000;
const REOPEN_MS = 200;

interface Post {
  readonly path: string;
  readonly token: string;
  readonly body: string;
  /** Undefined where there was no answer. */
  done(answer: RawAnswer | undefined): void;
}

export class Posting {
  readonly #port: number;
  readonly #waiting: Post[] = [];
  readonly #idle: (() => void)[] = [];
  #next = 0;

  constructor(port: number) {
    this.#port = port;
    for (let n = 0; n < CONNECTIONS; n++) void this.#work();
  }

  post(post: Post): void {
    if (this.#waiting.length - this.#next >= MAX_WAITING) return post.done(undefined);
    this.#waiting.push(post);
    this.#idle.pop()?.();
  }

  async #work(): Promise<void> {
    let connection: HttpConnection | undefined;
    while (true) {
      const post = await this.#take();
      try {
        connection ??= await HttpConnection.open(this.#port);
        const headers = `authorization: Bearer ${post.token}\r\n`;
        post.done(await connection.post(post.path, headers, post.body));
      } catch {
        // The server is away: the phone keeps its fixes, and the next post opens a connection.
        connection?.close();
        connection = undefined;
        post.done(undefined);
        await pause(REOPEN_MS);
      }
    }
  }

  async #take(): Promise<Post> {
    while (true) {
      const post = this.#waiting[this.#next];
      if (post !== undefined) {
        this.#next++;
        if (this.#next > 1_000) this.#waiting.splice(0, this.#next), this.#next = 0;
        return post;
      }
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
  }
}
