/**
 * The relay: moves committed events of one partition from the outbox to its stream.
 *
 * Contract
 * - One owner per partition (a lease). The script compares the fence, so that an owner that was
 *   stopped and continued cannot append after its successor.
 * - Reads unpublished changes in id order in one statement. Ids of one aggregate are in commit
 *   order, and a snapshot that shows a later change of an aggregate shows the earlier ones; so the
 *   order of each aggregate is kept without looking at transaction horizons (ADR 0006). A change is
 *   a row with all its events (ADR 0022).
 * - Appends, then marks. A death in between is repaired by the next owner: it first takes the
 *   fence, then skips what the last batch of the stream already holds. One batch at most is
 *   appended and not marked: what comes next is read meanwhile, and appended after the mark.
 * - Redis away or full: rows stay where they are, and the relay asks again.
 * - Every append and every mark names the generation of what Redis holds. After a loss of Redis
 *   nothing goes out until it is rebuilt, and no row is marked for a stream that is gone.
 * - Batches are numbered on both sides. A Redis that knows of fewer than were appended (a failover
 *   lost its end) takes no more, or the next batch would hide the loss from who looks for it.
 */
import type { Clock } from "shared/clock/clock.ts";
import { pause } from "shared/clock/timeout.ts";
import type { Wake } from "shared/clock/wake.ts";
import type { Lease } from "shared/lease/lease.ts";
import type { Log } from "shared/log/log.ts";
import type { Redis } from "shared/redis/connect.ts";
import { readGeneration } from "shared/redis/generation.ts";
import { partitionOf, type RedisKeys } from "shared/redis/keys.ts";
import { runScript, type Script } from "shared/redis/script.ts";
import type { Sql } from "shared/sql/connect.ts";
import { envelopesOf, type ReadyEvent, type SharedFields } from "./change_events.ts";

/** Changes per append. */
const BATCH_CHANGES = 100;
/** Entries of a last batch whose number Redis does not tell: relays before ADR 0022 kept to it. */
const UNTOLD_BATCH_EVENTS = 500;
/** The stream's bound: the relay waits instead of pushing unread entries out. */
export const MAX_STREAM_ENTRIES = 1_000_000;
/** How long a lost notification may delay an event. */
const POLL_FLOOR_MS = 100;
const RETRY_MS = 250;

/**
 * Appends a batch once.
 * Guarantee: all entries or none; nothing from an owner whose fence was passed, nor into a Redis
 * of another generation; a batch whose reply was lost and that is sent again is not appended twice.
 * KEYS 1 stream, 2 relay hash
 * ARGV 1 fence, 2 batch id, 3 bound, 4 generation, 5 number of the batch, then (event id, event)
 * pairs
 * Returns "appended", "repeated", "fenced", "lost" or "full".
 */
const APPEND: Script = {
  name: "relay_append",
  lua: `
    local fence = redis.call('HGET', KEYS[2], 'fence')
    if fence and tonumber(fence) > tonumber(ARGV[1]) then return 'fenced' end
    if redis.call('HGET', KEYS[2], 'generation') ~= ARGV[4] then return 'lost' end
    if redis.call('HGET', KEYS[2], 'batch') == ARGV[2] then return 'repeated' end
    local batches = tonumber(redis.call('HGET', KEYS[2], 'batches') or '0')
    if batches < tonumber(ARGV[5]) - 1 then return 'lost' end
    if redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[3]) then return 'full' end
    redis.call('HSET', KEYS[2], 'fence', ARGV[1], 'batch', ARGV[2], 'batches', ARGV[5],
      'entries', (#ARGV - 5) / 2)
    for i = 6, #ARGV, 2 do
      redis.call('XADD', KEYS[1], '*', 'id', ARGV[i], 'event', ARGV[i + 1])
    end
    return 'appended'`,
};

/**
 * Takes the stream for a new owner.
 * KEYS 1 relay hash · ARGV 1 fence, 2 generation, 3 batches that were marked
 * Returns how many batches were appended, or "fenced" or "lost".
 */
const TAKE: Script = {
  name: "relay_take",
  lua: `
    local fence = redis.call('HGET', KEYS[1], 'fence')
    if fence and tonumber(fence) > tonumber(ARGV[1]) then return 'fenced' end
    if redis.call('HGET', KEYS[1], 'generation') ~= ARGV[2] then return 'lost' end
    local batches = tonumber(redis.call('HGET', KEYS[1], 'batches') or '0')
    if batches < tonumber(ARGV[3]) then return 'lost' end
    redis.call('HSET', KEYS[1], 'fence', ARGV[1])
    return batches`,
};

export interface RelayOptions {
  readonly sql: Sql;
  readonly redis: Redis;
  readonly keys: RedisKeys;
  readonly region: string;
  readonly shard: number;
  readonly lease: Lease;
  /** Notified after commits; the poll floor stands behind it. */
  readonly wake: Wake;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly clock?: Clock;
  /** Called with the number of events of each appended batch. */
  readonly onPublished?: (count: number) => void;
}

interface OutboxRow extends SharedFields {
  readonly id: string;
  /** A line each (`change_events.ts`). */
  readonly events: string;
}

/** Runs until the signal aborts or the fence is passed. */
export async function runRelay(options: RelayOptions): Promise<void> {
  const relay = new Relay(options);
  while (!options.signal.aborted) {
    try {
      const moved = await relay.step();
      if (moved === "fenced") return;
      if (moved === "full" || moved === "lost") {
        await pause(RETRY_MS, options.signal, options.clock);
      }
      if (relay.isDrained) await options.wake.wait(POLL_FLOOR_MS, options.signal);
    } catch (error) {
      relay.doubt();
      options.log.warn("relay cannot publish; it tries again", { error });
      await pause(RETRY_MS, options.signal, options.clock);
    }
  }
}

/** One owner's relay; `step` is the unit a test can stop between. */
export class Relay {
  readonly #options: RelayOptions;
  readonly #streamKey: string;
  readonly #relayKey: string;
  /** Whether the last outcome is unknown, so that the stream must be compared first. */
  #isDoubtful = true;
  /** Tells its batches from those of every other relay, also one under the same fence. */
  readonly #name = crypto.randomUUID();
  /** Appends so far. A batch's number is no name for it: a rebuild gives the same one again. */
  #appends = 0;
  /** Batches of the partition so far, of all owners. */
  #batches = 0;
  /** Read while the batch before was marked. */
  #next: readonly OutboxRow[] = [];
  /** What Redis should hold; read again whenever an outcome is unknown. */
  #generation = 0;

  constructor(options: RelayOptions) {
    const partition = partitionOf(options.region, options.shard);
    this.#options = options;
    this.#streamKey = options.keys.events(partition);
    this.#relayKey = options.keys.relay(partition);
  }

  /** Whether nothing was left when it looked last. */
  get isDrained(): boolean {
    return !this.#isDoubtful && this.#next.length === 0;
  }

  /** Says that an outcome is unknown. */
  doubt(): void {
    this.#isDoubtful = true;
    this.#next = [];
  }

  /** Moves at most one batch. */
  async step(): Promise<"moved" | "idle" | "full" | "fenced" | "lost"> {
    // The fence before the rows: from here on no predecessor can append what is about to be read.
    const present = this.#isDoubtful ? await this.#takeAndLook() : undefined;
    if (present === "fenced") return this.#fenced();
    if (present === "lost") return "lost";
    const rows = this.#next.length > 0 ? this.#next : await this.#unpublished([]);
    this.#next = [];
    this.#isDoubtful = false;
    if (rows.length === 0) return "idle";
    const events = rows.flatMap((row) => envelopesOf(row, row.events));
    const fresh = present === undefined ? events : events.filter(({ id }) => !present.has(id));
    if (fresh.length > 0) {
      const outcome = await this.#append(fresh);
      if (outcome === "fenced") return this.#fenced();
      if (outcome === "full") return this.#full();
      if (outcome === "lost") {
        this.doubt();
        return "lost";
      }
    }
    if (await this.#markAndRead(rows) === 0) {
      this.doubt();
      return "lost";
    }
    this.#options.onPublished?.(fresh.length);
    return "moved";
  }

  /** Marks rows as published, and reads meanwhile what comes after them. */
  async #markAndRead(rows: readonly OutboxRow[]): Promise<number> {
    const ids = rows.map(({ id }) => id);
    const [marked, next] = await Promise.allSettled([this.#mark(ids), this.#unpublished(ids)]);
    if (marked.status === "rejected") throw marked.reason;
    if (next.status === "rejected") throw next.reason;
    this.#next = next.value;
    return marked.value;
  }

  /** The oldest changes, but for some that are just being marked. */
  async #unpublished(except: readonly string[]): Promise<readonly OutboxRow[]> {
    const { sql, region, shard } = this.#options;
    return await sql<OutboxRow[]>`
      select id, region, key, occurred_at, trace, events from outbox
      where not (id = any(${except}::bigint[]))
        and region = ${region} and shard = ${shard} and published_at is null
      order by id limit ${BATCH_CHANGES}`;
  }

  /**
   * Takes the stream; answers the event ids of its last batch, or "lost" while Redis holds
   * another generation than Postgres says: then it is being rebuilt.
   */
  async #takeAndLook(): Promise<Set<string> | "fenced" | "lost"> {
    const { sql, redis, lease } = this.#options;
    this.#generation = await readGeneration(sql);
    const marked = await this.#markedBatches();
    const take = () =>
      runScript(redis, TAKE, [this.#relayKey], [lease.fence, this.#generation, marked]);
    let taken = await take();
    if (taken === "lost" && await this.#isNew()) {
      await redis.hsetnx(this.#relayKey, "generation", this.#generation);
      taken = await take();
    }
    if (taken === "fenced" || taken === "lost") return taken;
    this.#batches = Number(taken);
    const entries = await redis.xrevrange(
      this.#streamKey,
      "+",
      "-",
      "COUNT",
      Number(await redis.hget(this.#relayKey, "entries") ?? UNTOLD_BATCH_EVENTS),
    );
    return new Set(entries.map(([, fields]) => fields[fields.indexOf("id") + 1] ?? ""));
  }

  /** How many batches were marked; a row for them stands from the first owner on. */
  async #markedBatches(): Promise<number> {
    const { sql, region, shard } = this.#options;
    const [row] = await sql<{ batches: string }[]>`
      insert into relay_progress (region, shard, batches) values (${region}, ${shard}, 0)
      on conflict (region, shard) do update set batches = relay_progress.batches
      returning batches`;
    return Number(row?.batches ?? 0);
  }

  /** Whether nothing of this partition was ever published: then there is nothing to rebuild. */
  async #isNew(): Promise<boolean> {
    const { sql, region, shard } = this.#options;
    const published = await sql`
      select 1 from outbox
      where region = ${region} and shard = ${shard} and published_at is not null limit 1`;
    return published.length === 0;
  }

  async #append(events: readonly ReadyEvent[]): Promise<unknown> {
    const { redis, lease } = this.#options;
    this.#appends++;
    const batch = this.#batches + 1;
    const args: (string | number)[] = [
      lease.fence,
      `${this.#name}.${this.#appends}`,
      MAX_STREAM_ENTRIES,
      this.#generation,
      batch,
    ];
    for (const { id, json } of events) args.push(id, json);
    const outcome = await runScript(redis, APPEND, [this.#streamKey, this.#relayKey], args);
    if (outcome === "appended" || outcome === "repeated") this.#batches = batch;
    return outcome;
  }

  /**
   * Marks changes as published, unless the generation was raised since they were appended. The shared
   * lock holds a raise off until the mark is committed, so a rebuild sees every mark before it.
   */
  async #mark(ids: readonly string[]): Promise<number> {
    const { sql, region, shard } = this.#options;
    const { count } = await sql`
      with present as (
        select 1 from redis_generation where generation = ${this.#generation} for share
      ), progress as (
        update relay_progress set batches = ${this.#batches}
        where region = ${region} and shard = ${shard} and exists (select from present)
      )
      update outbox set published_at = now()
      where region = ${region} and shard = ${shard} and published_at is null
        and id = any(${ids}::bigint[]) and exists (select from present)`;
    return count;
  }

  #fenced(): "fenced" {
    this.#options.log.warn("relay was fenced off by its successor", {
      fence: this.#options.lease.fence,
    });
    return "fenced";
  }

  #full(): "full" {
    this.#options.log.error("stream is full: a consumer group is stuck; events wait in Postgres", {
      stream: this.#streamKey,
      bound: MAX_STREAM_ENTRIES,
    });
    return "full";
  }
}
