/** Viewers of a track as browsers and programs are: a WebSocket or an event stream. */
import { eventually } from "./eventually.ts";

/** A frame as it came; the tests look at what they are about. */
export interface Frame {
  readonly type: string;
  readonly epoch?: string;
  readonly seq?: number;
  readonly [member: string]: unknown;
}

export interface Closing {
  readonly code: number;
  readonly reason: string;
}

/** What both kinds of viewer have heard. */
export class Viewer {
  readonly frames: Frame[] = [];
  closing: Closing | undefined;

  /** Frames of one type. */
  of(type: string): Frame[] {
    return this.frames.filter((frame) => frame.type === type);
  }

  /** Where the viewer stands, as it would resume. */
  get cursor(): string {
    const last = this.frames.findLast((frame) => frame.epoch !== undefined);
    return `${last?.epoch}:${last?.seq}`;
  }

  /** The types in the order in which they came, with what matters most. */
  get story(): string[] {
    return this.frames.map((frame) => {
      switch (frame.type) {
        case "status":
          return `status ${frame["status"]}`;
        case "courier":
          return frame["courier"] === null ? "courier gone" : "courier";
        default:
          return frame.type;
      }
    });
  }

  /** Waits until that many frames came. */
  async until(count: number): Promise<Frame[]> {
    const isThere = () => this.frames.length >= count || this.closing !== undefined;
    await this.#tellingStory(eventually(`${count} frames came`, isThere));
    return this.frames;
  }

  async untilClosed(): Promise<Closing> {
    return await this.#tellingStory(eventually("the connection ended", () => this.closing));
  }

  async #tellingStory<T>(waiting: Promise<T>): Promise<T> {
    try {
      return await waiting;
    } catch (cause) {
      throw new Error(`after the frames [${this.story.join(", ")}]: ${cause}`, { cause });
    }
  }

  /** Why the numbers of the frames are not one after another; undefined when they are. */
  get disorder(): string | undefined {
    const numbered = this.frames.filter((frame) => frame.seq !== undefined);
    for (const [index, frame] of numbered.slice(1).entries()) {
      const before = numbered[index];
      if (frame.epoch !== before?.epoch) return `epoch changed at ${frame.type}`;
      if (frame.seq !== (before?.seq ?? 0) + 1) {
        return `${before?.type} ${before?.seq} is followed by ${frame.type} ${frame.seq}`;
      }
    }
    return undefined;
  }
}

/** A viewer over a WebSocket. */
export class SocketViewer extends Viewer {
  readonly #socket: WebSocket;

  constructor(url: string) {
    super();
    this.#socket = new WebSocket(url);
    this.#socket.onmessage = ({ data }) => void this.frames.push(JSON.parse(data) as Frame);
    this.#socket.onclose = ({ code, reason }) => void (this.closing ??= { code, reason });
    // A refused upgrade also closes; the code tells.
    this.#socket.onerror = () => {};
  }

  send(text: string): void {
    this.#socket.send(text);
  }

  /** Closes from this side. */
  async close(): Promise<void> {
    if (this.#socket.readyState === WebSocket.CLOSED) return;
    this.#socket.close();
    await this.untilClosed();
  }
}

/** A viewer over server-sent events. */
export class StreamViewer extends Viewer {
  readonly #response: Response;
  readonly #abort: AbortController;
  readonly ids: string[] = [];
  readonly #reading: Promise<void>;

  private constructor(response: Response, abort: AbortController) {
    super();
    this.#response = response;
    this.#abort = abort;
    this.#reading = this.#read();
  }

  get headers(): Headers {
    return this.#response.headers;
  }

  /** @throws Error when the answer is no event stream. */
  static async open(url: string, headers: Record<string, string> = {}): Promise<StreamViewer> {
    const abort = new AbortController();
    const response = await fetch(url, { headers, signal: abort.signal });
    if (response.status !== 200) {
      throw new Error(`${response.status} ${await response.text()}`);
    }
    return new StreamViewer(response, abort);
  }

  async close(): Promise<void> {
    this.#abort.abort();
    await this.#reading;
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    let text = "";
    try {
      for await (const chunk of this.#response.body ?? []) {
        text += decoder.decode(chunk, { stream: true });
        for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
          this.#take(text.slice(0, end));
          text = text.slice(end + 2);
        }
      }
    } catch {
      // Aborted from this side, or cut: either way it has ended.
    }
    this.closing = { code: 1000, reason: "end of stream" };
  }

  #take(block: string): void {
    const fields = new Map(
      block.split("\n").map((line) => {
        const colon = line.indexOf(": ");
        return [line.slice(0, colon), line.slice(colon + 2)] as const;
      }),
    );
    const data = fields.get("data");
    if (data === undefined) return;
    const frame = JSON.parse(data) as Frame;
    if (fields.get("event") !== frame.type) throw new Error(`event is not ${frame.type}`);
    this.ids.push(fields.get("id") ?? "");
    this.frames.push(frame);
  }
}
