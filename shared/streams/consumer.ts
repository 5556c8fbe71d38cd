/**
 * The consumer runtime: one owner per (group, stream), order inside a key, ack after the effect.
 *
 * Contract
 * - Redis hands consecutive entries of one key to different consumers of a group, which would lose
 *   the order. So a group has one owner per stream, by lease, and one constant consumer name: a new
 *   owner finds the entries its predecessor left pending and reads them first.
 * - Entries of one key are handled one after another, different keys in parallel.
 * - After a full read the next one is made while its entries are handled. They are handled after
 *   them, or read again with all that is pending.
 * - An entry is acknowledged after `handle` resolved. A death in between repeats it: handlers must
 *   be idempotent (processed_events, or a version compare).
 * - An entry that fails holds back only its own key. It is tried `MAX_ATTEMPTS` times, then parked
 *   in Postgres with its cause; later entries of its key are parked behind it, until an operator
 *   has replayed or dropped it. A store that is away is no failure of the entry: it waits.
 */
import { type Clock, SYSTEM_CLOCK } from "shared/clock/clock.ts";
import { pause, TimeoutError } from "shared/clock/timeout.ts";
import { describeError, type Log } from "shared/log/log.ts";
import type { Redis } from "shared/redis/connect.ts";
import { FencedError } from "shared/lease/lease.ts";
import { keepCheckpoint } from "./checkpoint.ts";
import { isUnavailable } from "shared/service/unavailable.ts";
import type { Sql } from "shared/sql/connect.ts";
import { BLOCK_MS, type StreamEntry, StreamReader } from "./stream_reader.ts";

export type { StreamEntry };

const MAX_PARALLEL_KEYS = 16;
const MAX_ATTEMPTS = 5;
const RETRY_BASE_MS = 100;
/** How often entries left pending are looked for while new ones arrive. */
const RESCAN_MS = 5_000;
const MAX_CAUSE_CHARACTERS = 4_000;

export interface ConsumerOptions<Item> {
  readonly group: string;
  readonly stream: string;
  /** Its own connection: blocking reads hold it. */
  readonly blockingRedis: Redis;
  readonly redis: Redis;
  readonly sql: Sql;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly clock?: Clock;
  /** The typed item, or undefined for what this version does not handle. Throws for junk. */
  parse(entry: StreamEntry): Item | undefined;
  /** Items of one key are handled in order. */
  keyOf(item: Item): string;
  handle(item: Item): Promise<void>;
  /**
   * Handles all entries of a read at once, in the order of the stream, all or nothing. Used while
   * none of their keys is held back or parked. When it fails, the same entries go through `handle`
   * one by one, which finds the one that fails: both must have the same effect.
   */
  readonly handleBatch?: (items: readonly Item[]) => Promise<void>;
  /** Entries of one read; 200 unless said otherwise. */
  readonly readCount?: number;
  /** Waits this long after a read that was not full, so that the next one finds more to do at once. */
  readonly lingerMs?: number;
  /** For items that replace each other (positions): a parked one holds no later one back. */
  readonly goesOnPastParked?: boolean;
  /** Called after each read, with what happened to its entries. */
  readonly onBatch?: (counts: { handled: number; failed: number; parked: number }) => void;
}

interface Work<Item> {
  readonly entry: StreamEntry;
  readonly key: string;
  readonly item: Item | undefined;
  readonly parseError?: unknown;
}

/** Consumes until the signal aborts. The caller holds the lease of (group, stream). */
export async function consume<Item>(options: ConsumerOptions<Item>): Promise<void> {
  await Promise.all([consumeEntries(options), keepCheckpoint(options)]);
}

async function consumeEntries<Item>(options: ConsumerOptions<Item>): Promise<void> {
  const consumer = new Consumer(options);
  // Ends a blocking read at once. What Redis handed out to it is pending, and read first next time.
  const cut = () => options.blockingRedis.disconnect();
  options.signal.addEventListener("abort", cut, { once: true });
  while (!options.signal.aborted) {
    try {
      await consumer.run();
    } catch (error) {
      if (options.signal.aborted) break;
      const isDeadSocket = error instanceof TimeoutError;
      options.log.warn("consumer cannot read; it tries again", {
        group: options.group,
        stream: options.stream,
        error: isDeadSocket ? error.message : error,
      });
      if (isDeadSocket) options.blockingRedis.disconnect(true);
      await pause(RETRY_BASE_MS * 5, options.signal, options.clock);
    }
  }
  options.signal.removeEventListener("abort", cut);
}

class Consumer<Item> {
  readonly #options: ConsumerOptions<Item>;
  readonly #clock: Clock;
  readonly #reader: StreamReader;
  /** Keys with an entry that failed: later entries of them wait in the pending list. */
  readonly #heldKeys = new Set<string>();
  readonly #attempts = new Map<string, number>();
  /** Keys with a parked entry, and which: later entries of them are parked behind it. */
  #parkedKeys = new Map<string, string>();
  #retryAtMs = Infinity;

  constructor(options: ConsumerOptions<Item>) {
    this.#options = options;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.#reader = new StreamReader(options);
  }

  /** Pending entries first, then new ones; returns when the signal aborts. */
  async run(): Promise<void> {
    await this.#createGroup();
    await this.#reader.begin();
    await this.#readPending();
    let rescanAtMs = this.#clock.nowMs() + RESCAN_MS;
    try {
      while (!this.#options.signal.aborted) {
        if (this.#clock.nowMs() >= Math.min(rescanAtMs, this.#retryAtMs)) {
          // What is read ahead is pending too.
          await this.#reader.takeAhead();
          await this.#readPending();
          rescanAtMs = this.#clock.nowMs() + RESCAN_MS;
        }
        const untilRetryMs = Math.max(1, Math.min(BLOCK_MS, this.#retryAtMs - this.#clock.nowMs()));
        const { entries, isBehindGap } = await this.#reader.takeAhead() ??
          await this.#reader.readFresh(Math.ceil(untilRetryMs));
        // What somebody else was handed is older than these and pending like them: in order only so.
        if (isBehindGap) await this.#readPending();
        else {
          if (this.#reader.isFull(entries)) this.#reader.readAhead();
          await this.#work(entries);
        }
        await this.#linger(entries);
      }
    } finally {
      await this.#reader.end();
    }
  }

  async #linger(found: readonly StreamEntry[]): Promise<void> {
    const { lingerMs, signal } = this.#options;
    if (lingerMs === undefined || found.length === 0 || this.#reader.isFull(found)) return;
    await pause(lingerMs, signal, this.#clock);
  }

  /** From the beginning of the stream: entries added before the group existed belong to it too. */
  async #createGroup(): Promise<void> {
    const { redis, stream, group } = this.#options;
    try {
      await redis.xgroup("CREATE", stream, group, "0", "MKSTREAM");
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith("BUSYGROUP")) throw error;
    }
  }

  /** What an operator has replayed or dropped meanwhile no longer holds its key back. */
  async #readParkedKeys(): Promise<void> {
    const { sql, group, stream } = this.#options;
    const rows = await sql<{ key: string; entryId: string }[]>`
      select distinct on (key) key, entry_id from parked_events
      where consumer = ${group} and stream = ${stream} and key <> entry_id order by key, id`;
    this.#parkedKeys = new Map(rows.map((row) => [row.key, row.entryId]));
  }

  async #readPending(): Promise<void> {
    await this.#readParkedKeys();
    this.#heldKeys.clear();
    this.#retryAtMs = Infinity;
    let after = "0";
    while (!this.#options.signal.aborted) {
      const entries = await this.#reader.read(after);
      const last = entries.at(-1);
      if (last === undefined) return;
      await this.#work(entries);
      after = last.id;
    }
  }

  async #work(entries: readonly StreamEntry[]): Promise<void> {
    if (entries.length === 0) return;
    const works = entries.map((entry) => this.#prepare(entry));
    if (await this.#workAtOnce(works)) return;
    const byKey = Map.groupBy(works, (work) => work.key);
    const counts = { handled: 0, failed: 0, parked: 0 };
    const queues = [...byKey.values()];
    const lanes = Array.from({ length: Math.min(MAX_PARALLEL_KEYS, queues.length) }, async () => {
      for (let queue = queues.pop(); queue !== undefined; queue = queues.pop()) {
        await this.#workKey(queue, counts);
      }
    });
    // All lanes end before anything else happens, or a key could be handled twice at once.
    const failed = (await Promise.allSettled(lanes)).find((lane) => lane.status === "rejected");
    this.#options.onBatch?.(counts);
    if (failed !== undefined) throw failed.reason;
  }

  /** Tries the whole read at once; false leaves all of it to be done key by key. */
  async #workAtOnce(works: readonly Work<Item>[]): Promise<boolean> {
    const { handleBatch, redis, stream, group, log, goesOnPastParked } = this.#options;
    const isPlain = (work: Work<Item>) =>
      work.parseError === undefined && !this.#heldKeys.has(work.key) &&
      (goesOnPastParked === true || !this.#parkedKeys.has(work.key));
    if (handleBatch === undefined || works.length === 1 || !works.every(isPlain)) return false;
    try {
      await handleBatch(works.map((work) => work.item).filter((item) => item !== undefined));
    } catch (error) {
      log.warn("events failed together; they are handled one by one", {
        group,
        entries: works.length,
        error,
      });
      return false;
    }
    for (const work of works) this.#attempts.delete(work.entry.id);
    await redis.xack(stream, group, ...works.map((work) => work.entry.id));
    this.#options.onBatch?.({ handled: works.length, failed: 0, parked: 0 });
    return true;
  }

  #prepare(entry: StreamEntry): Work<Item> {
    try {
      const item = this.#options.parse(entry);
      return { entry, item, key: item === undefined ? entry.id : this.#options.keyOf(item) };
    } catch (parseError) {
      return { entry, item: undefined, key: entry.id, parseError };
    }
  }

  async #workKey(
    queue: readonly Work<Item>[],
    counts: { handled: number; failed: number; parked: number },
  ): Promise<void> {
    const done: string[] = [];
    for (const [index, work] of queue.entries()) {
      if (this.#heldKeys.has(work.key)) break;
      try {
        if (work.parseError === undefined && await this.#isBlocked(work.key)) {
          const cause = `waited behind ${this.#parkedKeys.get(work.key)}`;
          await this.#park(queue.slice(index), cause, 0);
          counts.parked += queue.length - index;
          break;
        }
        if (work.parseError !== undefined) throw work.parseError;
        if (work.item !== undefined) await this.#options.handle(work.item);
        done.push(work.entry.id);
        this.#attempts.delete(work.entry.id);
        counts.handled++;
      } catch (error) {
        counts.failed++;
        counts.parked += await this.#failed(queue.slice(index), error);
        break;
      }
    }
    const { redis, stream, group } = this.#options;
    if (done.length > 0) await redis.xack(stream, group, ...done);
  }

  /**
   * Whether something of the key is parked; asked of Postgres, where an operator may clear it. The
   * shared lock waits for a replay that is just taking the rows away.
   */
  async #isBlocked(key: string): Promise<boolean> {
    if (this.#options.goesOnPastParked === true || !this.#parkedKeys.has(key)) return false;
    const { sql, group, stream } = this.#options;
    const parked = await sql`
      select 1 from parked_events
      where consumer = ${group} and stream = ${stream} and key = ${key} limit 1 for share`;
    if (parked.length === 0) this.#parkedKeys.delete(key);
    return parked.length > 0;
  }

  /** Holds the key back for another try, or parks the entry and what its key had waiting. */
  async #failed(rest: readonly Work<Item>[], error: unknown): Promise<number> {
    const [work] = rest;
    if (work === undefined) return 0;
    const isJunk = work.parseError !== undefined;
    // A store that is away says nothing about the event: it waits, however long that takes.
    // Nor does a fence: somebody else owns the stream, and this owner is about to hear of it.
    const isCounted = isJunk || !(isUnavailable(error) || error instanceof FencedError);
    const attempts = Math.min((this.#attempts.get(work.entry.id) ?? 0) + 1, MAX_ATTEMPTS);
    if (!isJunk && !(isCounted && attempts >= MAX_ATTEMPTS)) {
      if (isCounted) this.#attempts.set(work.entry.id, attempts);
      this.#heldKeys.add(work.key);
      this.#retryAtMs = Math.min(
        this.#retryAtMs,
        this.#clock.nowMs() + RETRY_BASE_MS * 2 ** attempts,
      );
      this.#options.log.warn("event failed; it is tried again", {
        group: this.#options.group,
        entry: work.entry.id,
        attempts,
        error,
      });
      return 0;
    }
    const goesOn = this.#options.goesOnPastParked === true;
    const parked = goesOn ? [work] : rest;
    await this.#park(parked, describeError(error), attempts);
    if (isJunk) return parked.length;
    if (!goesOn) this.#parkedKeys.set(work.key, work.entry.id);
    else if (rest.length > 1) {
      // The others of its key are pending: they come next, before what is read anew.
      this.#heldKeys.add(work.key);
      this.#retryAtMs = this.#clock.nowMs();
    }
    return parked.length;
  }

  async #park(rest: readonly Work<Item>[], cause: string, attempts: number): Promise<void> {
    const { sql, redis, group, stream, log } = this.#options;
    const rows = rest.map((work) => ({
      consumer: group,
      stream,
      entry_id: work.entry.id,
      key: work.key,
      event: JSON.stringify(work.entry.fields),
      cause: work === rest[0]
        ? cause.slice(0, MAX_CAUSE_CHARACTERS)
        : `waited behind ${rest[0]?.entry.id}`,
      attempts,
    }));
    // Parked before acknowledged: a death in between parks again, which the unique rule absorbs.
    await sql`insert into parked_events ${sql(rows)}
      on conflict (consumer, stream, entry_id) do nothing`;
    await redis.xack(stream, group, ...rest.map((work) => work.entry.id));
    log.error("event parked", { group, stream, entries: rest.map((work) => work.entry.id), cause });
  }
}
