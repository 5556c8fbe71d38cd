/**
 * Reads a stream for a consumer group as its one owner.
 *
 * Contract: what a read brings is pending until it is acknowledged, whoever still waits for it. New
 * entries say whether older ones went to somebody else meanwhile. One read at most is ahead.
 */
import { type Clock, SYSTEM_CLOCK } from "shared/clock/clock.ts";
import { withTimeout } from "shared/clock/timeout.ts";
import type { Redis } from "shared/redis/connect.ts";
import { findLastDelivered } from "./checkpoint.ts";

/** Constant on purpose: unique names leak consumers for ever (XINFO) and strand their entries. */
const CONSUMER_NAME = "owner";
const READ_COUNT = 200;
/** The longest wait for a new entry. */
export const BLOCK_MS = 1_000;
/** A reply later than this means a dead socket; blocking reads would wait on it for ever. */
const READ_TIMEOUT_MS = BLOCK_MS + 3_000;

/** One entry of a stream. */
export interface StreamEntry {
  readonly id: string;
  readonly fields: Readonly<Record<string, string>>;
}

/** New entries of one read. */
export interface FreshEntries {
  readonly entries: readonly StreamEntry[];
  /** Whether older ones were handed to another read. */
  readonly isBehindGap: boolean;
}

export interface ReaderOptions {
  readonly group: string;
  readonly stream: string;
  /** Its own connection: blocking reads hold it. */
  readonly blockingRedis: Redis;
  readonly redis: Redis;
  readonly clock?: Clock;
  /** Entries of one read; 200 unless said otherwise. */
  readonly readCount?: number;
}

/** One owner's reads. */
export class StreamReader {
  readonly #options: ReaderOptions;
  readonly #clock: Clock;
  /** The newest entry that was handed to this owner, or before it began. */
  #seenId = "0-0";
  /** A read under way while the entries before are handled; it never rejects. */
  #ahead: Promise<PromiseSettledResult<FreshEntries>> | undefined;

  constructor(options: ReaderOptions) {
    this.#options = options;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
  }

  /** Looks where the group stands. The group exists, and what is pending is read after this. */
  async begin(): Promise<void> {
    this.#seenId = await findLastDelivered(this.#options) ?? "0-0";
  }

  /** Waits for a read that is ahead. What it brings is pending, and is read first next time. */
  async end(): Promise<void> {
    await this.#ahead;
    this.#ahead = undefined;
  }

  /** A read that was not full has emptied the stream: the next one is worth more after the work. */
  isFull(entries: readonly StreamEntry[]): boolean {
    return entries.length >= (this.#options.readCount ?? READ_COUNT);
  }

  /** New entries. */
  async readFresh(blockMs?: number): Promise<FreshEntries> {
    const entries = await this.read(">", blockMs);
    return { entries, isBehindGap: await this.#isGapBefore(entries) };
  }

  /** Begins to read on while the entries before are handled. */
  readAhead(): void {
    this.#ahead = Promise.allSettled([this.readFresh()]).then(([settled]) => settled);
  }

  /** What was read ahead, if anything was. @throws the error of that read. */
  async takeAhead(): Promise<FreshEntries | undefined> {
    const ahead = await this.#ahead;
    this.#ahead = undefined;
    if (ahead?.status === "rejected") throw ahead.reason;
    // Nothing: then the next read is one that waits.
    return ahead?.value.entries.length === 0 ? undefined : ahead?.value;
  }

  /**
   * Whether entries before these were handed to another read: one whose connection is gone but that
   * still waited in Redis, or one of an owner that was stopped and does not know yet.
   */
  async #isGapBefore(entries: readonly StreamEntry[]): Promise<boolean> {
    const [first] = entries;
    const last = entries.at(-1);
    if (first === undefined || last === undefined) return false;
    const after = `(${this.#seenId}`;
    this.#seenId = last.id;
    const { redis, stream } = this.#options;
    const between = await redis.xrange(stream, after, `(${first.id}`, "COUNT", 1);
    return between.length > 0;
  }

  /**
   * Entries after one, `>` for new ones.
   *
   * @param blockMs how long it waits for the first one; not at all where it is absent.
   */
  async read(from: string, blockMs?: number): Promise<StreamEntry[]> {
    const { blockingRedis, group, stream, readCount = READ_COUNT } = this.#options;
    const reply = blockMs === undefined
      ? blockingRedis.xreadgroup(
        "GROUP",
        group,
        CONSUMER_NAME,
        "COUNT",
        readCount,
        "STREAMS",
        stream,
        from,
      )
      : blockingRedis.xreadgroup(
        "GROUP",
        group,
        CONSUMER_NAME,
        "COUNT",
        readCount,
        "BLOCK",
        blockMs,
        "STREAMS",
        stream,
        from,
      );
    return parseReply(await withTimeout("XREADGROUP", READ_TIMEOUT_MS, reply, this.#clock));
  }
}

/** The reply of XREADGROUP for one stream. Entries that were trimmed come without fields. */
function parseReply(reply: unknown): StreamEntry[] {
  if (!Array.isArray(reply)) return [];
  const entries: unknown = reply[0]?.[1];
  if (!Array.isArray(entries)) return [];
  return entries.map(([id, flat]: [string, string[] | null]) => {
    const fields: Record<string, string> = {};
    for (let index = 0; flat !== null && index + 1 < flat.length; index += 2) {
      fields[flat[index] ?? ""] = flat[index + 1] ?? "";
    }
    return { id, fields };
  });
}
