/**
 * A courier's WebSocket: fixes and heartbeats in, acknowledgements out.
 *
 * Contract: a frame is acknowledged after its fixes are stored or refused, with its own number, and
 * not necessarily in the order of the frames. Nothing a client sends ends the process: every
 * callback is guarded, and what one socket may have open is bounded (frames under way, bytes that
 * it does not read, bad frames, refused frames in a row). It closes with 4401 when its session or
 * key ends.
 */
import type { Closable, LiveConnections } from "shared/auth/live_connections.ts";
import type { Log } from "shared/log/log.ts";
import { ProblemError } from "shared/problem/problem.ts";
import { problemOf } from "./answers.ts";
import type { IngestMetrics } from "./metrics.ts";
import type { FixRecorder, Recorded } from "./record_fix.ts";
import { ackFrame, errorFrame, MAX_FRAME_CHARACTERS, readFrame } from "./socket_frames.ts";

/** Frames of one socket that are under way at once. */
const MAX_UNDER_WAY = 32;
/** Acknowledgements are small: who leaves so many unread reads none. */
const MAX_UNREAD_BYTES = 64 * 1024;
const MAX_BAD_FRAMES = 20;
/** Who goes on for so long against the limit is not waiting for anything. */
const MAX_REFUSED_IN_A_ROW = 200;
/**
 * A socket on which nothing is heard for half of this is pinged, and closed at the end of it: that
 * keeps proxies from cutting an idle one, and finds dead ones. Well above what this process may be
 * behind with reading: it would close those that wait for it.
 */
const IDLE_TIMEOUT_S = 60;

/** 1008 against the rules, 1009 too big, 1011 our fault, 1013 too slow, 4401 credential ended. */
type CloseCode = 1008 | 1009 | 1011 | 1013 | 4401;

export interface SocketOptions {
  readonly recorder: FixRecorder;
  readonly connections: LiveConnections;
  readonly metrics: IngestMetrics;
  readonly log: Log;
  readonly courierId: string;
  /** The session or key that the socket stands on. */
  readonly credentialId: string;
}

/** Upgrades a request of a courier. */
export function openPositionsSocket(request: Request, options: SocketOptions): Response {
  const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: IDLE_TIMEOUT_S });
  const courier = new CourierSocket(socket, options);
  socket.addEventListener("open", () => courier.open());
  socket.addEventListener("message", ({ data }) => courier.hear(data));
  socket.addEventListener("close", (event) => courier.closed(event));
  socket.addEventListener("error", () => options.metrics.frameTally.add("socket_error"));
  return response;
}

class CourierSocket implements Closable {
  readonly #socket: WebSocket;
  readonly #options: SocketOptions;
  #held: { release(): void } | undefined;
  #isOpen = false;
  #underWay = 0;
  #badFrames = 0;
  #refusedInARow = 0;

  constructor(socket: WebSocket, options: SocketOptions) {
    this.#socket = socket;
    this.#options = options;
  }

  open(): void {
    const { connections, credentialId, metrics } = this.#options;
    this.#isOpen = true;
    metrics.sockets.inc();
    this.#held = connections.hold(credentialId, this);
  }

  closed({ code, wasClean }: CloseEvent): void {
    // A ping was not answered: the runtime has closed it.
    if (code === 1001 && !wasClean) this.#options.metrics.socketsClosed.inc({ reason: "1001" });
    this.#held?.release();
    if (this.#isOpen) this.#options.metrics.sockets.dec();
    this.#isOpen = false;
  }

  close(code: CloseCode, reason: string): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    this.#options.metrics.socketsClosed.inc({ reason: String(code) });
    this.#socket.close(code, reason);
  }

  /** Takes a frame in. Never throws. */
  hear(data: unknown): void {
    const { recorder, metrics, courierId } = this.#options;
    if (this.#socket.readyState !== WebSocket.OPEN) return;
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
