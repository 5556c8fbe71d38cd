/**
 * Phones that post: kept connections for all of them, as a proxy before ingest has.
 *
 * Contract: a post takes an idle connection, or opens one, and never waits for the answer to another
 * post below the bound. (Some tens of connections, each with one request under way, are a closed
 * loop: a server that answers a little slower is sent less, and the posts that wait here are counted
 * as its delay.) How long posts have waited here is told. A post is answered or refused once; the
 * queue is bounded, and over the bound a post is refused at once, so that its phone keeps what it
 * has.
 */
import { pause } from "shared/clock/timeout.ts";
import type { RawAnswer } from "../harness/http_connection.ts";
import { Histogram } from "./histogram.ts";

/** Files that this process and ingest have besides the phones' sockets (SPARE_FILES) bound it. */
export const MAX_CONNECTIONS = 1_000;
const MAX_WAITING = 20_000;
const REOPEN_MS = 200;

/** One kept connection, one request at a time. */
export interface PostConnection {
  post(path: string, headers: string, body: string): Promise<RawAnswer>;
  close(): void;
}

interface Post {
  readonly path: string;
  readonly token: string;
  readonly body: string;
  /** Undefined where there was no answer. */
  done(answer: RawAnswer | undefined): void;
}

interface Waiting {
  readonly post: Post;
  readonly sinceMs: number;
}

export class Posting {
  /** How long posts waited for a connection: the generator's own delay, not the server's. */
  readonly waits = new Histogram();
  readonly #open: () => Promise<PostConnection>;
  readonly #waiting: Waiting[] = [];
  readonly #idle: (() => void)[] = [];
  #next = 0;
  #connections = 0;

  constructor(open: () => Promise<PostConnection>) {
    this.#open = open;
  }

  post(post: Post): void {
    if (this.#waiting.length - this.#next >= MAX_WAITING) return post.done(undefined);
    this.#waiting.push({ post, sinceMs: performance.now() });
    const wake = this.#idle.pop();
    if (wake !== undefined) return wake();
    if (this.#connections >= MAX_CONNECTIONS) return;
    this.#connections++;
    void this.#work();
  }

  async #work(): Promise<void> {
    let connection: PostConnection | undefined;
    while (true) {
      const { post, sinceMs } = await this.#take();
      try {
        connection ??= await this.#open();
        this.waits.add(performance.now() - sinceMs);
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

  async #take(): Promise<Waiting> {
    while (true) {
      const waiting = this.#waiting[this.#next];
      if (waiting !== undefined) {
        this.#next++;
        if (this.#next > 1_000) this.#waiting.splice(0, this.#next), this.#next = 0;
        return waiting;
      }
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
  }
}
