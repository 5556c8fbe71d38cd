/**
 * One viewer of one order: a snapshot or what was missed, then everything as it happens.
 *
 * Contract: subscribe first (and buffer), then read, then merge by sequence number, as Centrifugo
 * does. So nothing published between reading and subscribing is lost or shown twice. Frames leave
 * with numbers that grow by one; where that cannot be kept the connection ends with 1012 and the
 * client resumes.
 */
import type { Log } from "shared/log/log.ts";
import type { Partition, RedisKeys } from "shared/redis/keys.ts";
import type { Sql } from "shared/sql/connect.ts";
import { isTerminal, type OrderState } from "shared/orders/lifecycle.ts";
import type { Channels } from "./channels.ts";
import type { TrackerMetrics } from "./metrics.ts";
import type { Sink } from "./sink.ts";
import { readOrderForTrack } from "./snapshot.ts";
import type { Cursor, TrackLog } from "./track_log.ts";

/** Frames that may wait while history is read; a viewer that needs more starts anew. */
const MAX_BUFFERED_FRAMES = 1_000;
/** Watching is renewed long before it ends (1 h), so that a wiped Redis learns of it again soon. */
const WATCH_RENEW_MS = 10_000;

export interface FollowDeps {
  readonly sql: Sql;
  readonly keys: RedisKeys;
  readonly channels: Channels;
  readonly trackLog: TrackLog;
  readonly metrics: TrackerMetrics;
  readonly log: Log;
}

interface Frame {
  readonly type: string;
  readonly epoch: string;
  readonly seq: number;
  readonly status?: OrderState;
}

/** What is followed, and by whom. */
export interface FollowedOrder {
  readonly orderId: string;
  readonly partition: Partition;
  /** A courier's own view ends when the order changes hands; it may ask for a new ticket. */
  readonly isCourier: boolean;
}

/** Follows an order for one connection until `stop` or the order's end. */
export class TrackFollower {
  readonly #deps: FollowDeps;
  readonly #orderId: string;
  readonly #partition: Partition;
  readonly #isCourier: boolean;
  readonly #sink: Sink;
  /** Frames heard while history is read; undefined once the follower is live. */
  #buffer: string[] | undefined = [];
  #position: Cursor | undefined;
  #stopListening: (() => void) | undefined;
  #watchTimer: ReturnType<typeof setInterval> | undefined;
  #isStopped = false;

  constructor(deps: FollowDeps, followed: FollowedOrder, sink: Sink) {
    this.#deps = deps;
    this.#orderId = followed.orderId;
    this.#partition = followed.partition;
    this.#isCourier = followed.isCourier;
    this.#sink = sink;
  }

  /** Starts; resolves when the viewer is live. */
  async start(since: Cursor | undefined): Promise<void> {
    const { channels, keys, trackLog } = this.#deps;
    this.#stopListening = await channels.listen(
      keys.trackChannel(this.#partition, this.#orderId),
      (frame) => this.#hear(frame),
      () => this.#sink.close(1012, "messages may have been missed"),
    );
    if (this.#isStopped) return this.stop();
    await this.#watch();
    const missed = since === undefined
      ? undefined
      : await trackLog.since(this.#partition, this.#orderId, since);
    if (since !== undefined && missed !== undefined) await this.#resume(since, missed);
    else await this.#sendSnapshot(since === undefined ? "snapshot" : "reset");
    const buffered = this.#buffer ?? [];
    this.#buffer = undefined;
    for (const frame of buffered) this.#forward(frame);
  }

  /** Ends; safe to call more than once. */
  stop(): void {
    this.#isStopped = true;
    this.#stopListening?.();
    this.#stopListening = undefined;
    clearInterval(this.#watchTimer);
  }

  async #watch(): Promise<void> {
    const { trackLog } = this.#deps;
    await trackLog.watch(this.#partition, this.#orderId);
    if (this.#isStopped) return;
    this.#watchTimer = setInterval(() => {
      // A failed renewal only costs positions in the log, and the next one mends it.
      trackLog.watch(this.#partition, this.#orderId).catch((error) =>
        this.#deps.log.warn("watch not renewed", { orderId: this.#orderId, error })
      );
    }, WATCH_RENEW_MS);
  }

  async #resume(since: Cursor, missed: readonly string[]): Promise<void> {
    this.#deps.metrics.resumes.inc({ result: "recovered" });
    this.#position = since;
    this.#sink.send(JSON.stringify({ type: "resumed", ...since, recovered: true }));
    for (const frame of missed) this.#forward(frame);
    // Who saw the last status but not the close would wait for ever.
    const { seq, ended } = await this.#deps.trackLog.head(this.#partition, this.#orderId);
    if (ended !== undefined && seq === this.#position?.seq) this.#sink.close(1000, ended);
  }

  async #sendSnapshot(type: "snapshot" | "reset"): Promise<void> {
    this.#deps.metrics.resumes.inc({ result: type });
    // The head before the row: the row then holds at least what the head's frames said. Later
    // frames may repeat it; they carry the order's version, so a client can tell.
    const head = await this.#deps.trackLog.head(this.#partition, this.#orderId);
    const found = await readOrderForTrack(this.#deps.sql, this.#orderId);
    if (found === undefined) return this.#sink.close(1011, "order is gone");
    const { epoch, seq } = head;
    this.#position = { epoch, seq };
    const isVisible = found.order.courier !== null && head.position !== undefined;
    const position = isVisible ? JSON.parse(head.position ?? "null").position : null;
    // A device is shown while the order goes on, with or without a courier.
    const parcel = found.isTerminal ? undefined : head.parcel;
    const parcelPosition = parcel === undefined ? null : JSON.parse(parcel).position;
    const { order } = found;
    this.#sink.send(JSON.stringify({ type, epoch, seq, order, position, parcelPosition }));
    if (found.isTerminal) this.#sink.close(1000, found.order.status);
  }

  #hear(frame: string): void {
    if (this.#buffer === undefined) return this.#forward(frame);
    if (this.#buffer.length >= MAX_BUFFERED_FRAMES) return this.#sink.close(1013, "too slow");
    this.#buffer.push(frame);
  }

  #forward(text: string): void {
    const frame = JSON.parse(text) as Frame;
    const at = this.#position;
    if (at === undefined) return;
    if (frame.epoch !== at.epoch) return this.#sink.close(1012, "the track began anew");
    if (frame.seq <= at.seq) return;
    if (frame.seq !== at.seq + 1) return this.#sink.close(1012, "messages may have been missed");
    this.#position = { epoch: frame.epoch, seq: frame.seq };
    if (this.#isCourier && frame.type === "courier") {
      return this.#sink.close(1012, "the order changed hands");
    }
    this.#sink.send(text);
    if (frame.status !== undefined && isTerminal(frame.status)) {
      this.#sink.close(1000, frame.status);
    }
  }
}
