/**
 * A courier's WebSocket: fixes and heartbeats in, acknowledgements out.
 *
 * Contract: a frame is acknowledged after its fixes are stored or refused, with its own number, and
 * not necessarily in the order of the frames. Nothing a client sends ends the process: every
 * callback is guarded, and what one socket may have open is bounded (frames under way, bytes that
 * it does not read, bad frames, refused frames in a row). It closes with 4401 when its session or
 * key ends, and with 1001 when nothing is heard (the runtime does so too when the process stops).
 */
import type { Closable, LiveConnections } from "shared/auth/live_connections.ts";
import type { Log } from "shared/log/log.ts";
import { ProblemError } from "shared/problem/problem.ts";
import { problemOf } from "./answers.ts";
import type { IngestMetrics } from "./metrics.ts";
import type { FixRecorder, Recorded } from "./record_fix.ts";
import type { SilenceWatch, Watched } from "./silence_watch.ts";
import { ackFrame, errorFrame, MAX_FRAME_CHARACTERS, readFrame } from "./socket_frames.ts";

/** Frames of one socket that are under way at once. */
const MAX_UNDER_WAY = 32;
/** Acknowledgements are small: who leaves so many unread reads none. */
const MAX_UNREAD_BYTES = 64 * 1024;
const MAX_BAD_FRAMES = 20;
/** Who goes on for so long against the limit is not waiting for anything. */
const MAX_REFUSED_IN_A_ROW = 200;
/** See SilenceWatch, which does it. */
const NO_IDLE_TIMEOUT = { idleTimeout: 0 };

/**
 * 1001 silent, 1008 against the rules, 1009 too big, 1011 our fault, 1013 too slow, 4401 credential
 * ended.
 */
type CloseCode = 1001 | 1008 | 1009 | 1011 | 1013 | 4401;

export interface SocketOptions {
  readonly recorder: FixRecorder;
  readonly connections: LiveConnections;
  readonly silenceWatch: SilenceWatch;
  readonly metrics: IngestMetrics;
  readonly log: Log;
  readonly courierId: string;
  /** The session or key that the socket stands on. */
  readonly credentialId: string;
}

/** Upgrades a request of a courier. */
export function openPositionsSocket(request: Request, options: SocketOptions): Response {
  const { socket, response } = Deno.upgradeWebSocket(request, NO_IDLE_TIMEOUT);
  const courier = new CourierSocket(socket, options);
  socket.addEventListener("open", courier, { once: true });
  socket.addEventListener("message", courier);
  socket.addEventListener("close", courier, { once: true });
  socket.addEventListener("error", courier);
  return response;
}

/** Listens to its events itself: with a function for each, ten thousand sockets take 3 MB more. */
class CourierSocket implements Closable, Watched, EventListenerObject {
  heardInRound = 0;
  readonly #socket: WebSocket;
  readonly #options: SocketOptions;
  #held: { release(): void } | undefined;
  #isOpen = false;
  #isClosing = false;
  #underWay = 0;
  #badFrames = 0;
  #refusedInARow = 0;

  constructor(socket: WebSocket, options: SocketOptions) {
    this.#socket = socket;
    this.#options = options;
  }

  handleEvent(event: Event): void {
    if (event instanceof MessageEvent) this.#hear(event.data);
    else if (event.type === "open") this.#open();
    else if (event.type === "close") this.#closed();
    else this.#options.metrics.frameTally.add("socket_error");
  }

  #open(): void {
    const { connections, silenceWatch, credentialId, metrics } = this.#options;
    this.#isOpen = true;
    metrics.sockets.inc();
    silenceWatch.watch(this);
    this.#held = connections.hold(credentialId, this);
  }

  #closed(): void {
    this.#leave();
    if (this.#isClosing) this.#options.metrics.socketsClosing.dec();
    this.#isClosing = false;
  }

  /** Counts no longer as open; may be called again. */
  #leave(): void {
    this.#options.silenceWatch.forget(this);
    this.#held?.release();
    if (this.#isOpen) this.#options.metrics.sockets.dec();
    this.#isOpen = false;
  }

  /**
   * A phone that is dead or frozen does not answer the close. Its connection stays open then until
   * the kernel, or a proxy in between, ends it: the runtime has no other way to end one.
   */
  closeSilent(): void {
    this.close(1001, "nothing was heard for 90 s");
    this.#leave();
  }

  close(code: CloseCode, reason: string): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    const { metrics } = this.#options;
    metrics.socketsClosed.inc({ reason: String(code) });
    metrics.socketsClosing.inc();
    this.#isClosing = true;
    this.#socket.close(code, reason);
  }

  /** Takes a frame in. Never throws. */
  #hear(data: unknown): void {
    const { recorder, metrics, courierId, silenceWatch } = this.#options;
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    this.heardInRound = silenceWatch.round;
    if (typeof data !== "string") return this.#refuse(null, "request.malformed", "must be text");
    if (data.length > MAX_FRAME_CHARACTERS) {
      metrics.frameTally.add("too_large");
      return this.close(1009, `frames must be <= ${MAX_FRAME_CHARACTERS} characters`);
    }
    const frame = readFrame(data);
    if (frame.kind === "bad") return this.#refuse(frame.seq, frame.problem, frame.detail);
    metrics.frameTally.add(frame.kind);
    if (this.#underWay >= MAX_UNDER_WAY) {
      this.#send(errorFrame(frame.seq, "ingest.overloaded"));
      return this.#countRefused(true);
    }
    const { seq } = frame;
    this.#underWay++;
    recorder.hear(courierId, frame.fixes, {
      recorded: (recorded) => this.#answer(() => this.#acknowledge(seq, recorded)),
      failed: (error) => this.#answer(() => this.#explain(seq, error)),
    });
  }

  /** Never throws: there is nobody to hear it. */
  #answer(say: () => void): void {
    const { log, courierId } = this.#options;
    this.#underWay--;
    try {
      say();
    } catch (error) {
      log.error("position frame failed", { courierId, error });
      this.close(1011, "try again");
    }
  }

  #acknowledge(seq: number, recorded: Recorded): void {
    this.#send(ackFrame(seq, recorded));
    this.#countRefused(recorded.codes.every((code) => code === "limited"));
  }

  /** @throws what is a bug. */
  #explain(seq: number, error: unknown): void {
    const problem = problemOf(error, this.#options.log);
    if (!(problem instanceof ProblemError)) throw error;
    this.#send(errorFrame(seq, problem.code));
  }

  #refuse(seq: number | null, problem: Parameters<typeof errorFrame>[1], detail: string): void {
    this.#options.metrics.frameTally.add("bad");
    this.#send(errorFrame(seq, problem, detail));
    if (++this.#badFrames >= MAX_BAD_FRAMES) this.close(1008, "too many bad frames");
  }

  #countRefused(isRefused: boolean): void {
    this.#refusedInARow = isRefused ? this.#refusedInARow + 1 : 0;
    if (this.#refusedInARow >= MAX_REFUSED_IN_A_ROW) this.close(1008, "slow down");
  }

  #send(frame: string): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    if (this.#socket.bufferedAmount > MAX_UNREAD_BYTES) return this.close(1013, "too slow");
    this.#socket.send(frame);
  }
}
