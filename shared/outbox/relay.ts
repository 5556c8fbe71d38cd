/**
 * The relay: moves committed events of one partition from the outbox to its stream.
 *
 * Contract
 * - One owner per partition (a lease). The script compares the fence, so that an owner that was
 *   stopped and continued cannot append after its successor.
 * - Reads unpublished rows in id order in one statement. Ids of one aggregate are in commit order,
 *   and a snapshot that shows a later change of an aggregate shows the earlier ones; so the order
 *   of each aggregate is kept without looking at transaction horizons (ADR 0006).
 * - Appends, then marks. A death in between is repaired by the next owner: it first takes the
 *   fence, then skips what the last entries of the stream already hold.
 * - Redis away or full: rows stay where they are, and the relay asks again.
 */
import { pause } from "shared/clock/timeout.ts";
import type { Wake } from "shared/clock/wake.ts";
import type { Lease } from "shared/lease/lease.ts";
import type { Log } from "shared/log/log.ts";
import type { Redis } from "shared/redis/connect.ts";
import { partitionOf, type RedisKeys } from "shared/redis/keys.ts";
import { runScript, type Script } from "shared/redis/script.ts";
import type { Sql } from "shared/sql/connect.ts";

/** Rows per append: also how far back a new owner looks for what is already there. */
const BATCH_ROWS = 500;
/** The stream's bound: the relay waits instead of pushing unread entries out. */
export const MAX_STREAM_ENTRIES = 1_000_000;
/** How long a lost notification may delay an event. */
const POLL_FLOOR_MS = 100;
const RETRY_MS = 250;

/**
 * Appends a batch once.
 * Guarantee: all entries or none; nothing from an owner whose fence was passed; a batch whose
 * reply was lost and that is sent again is not appended twice.
 * KEYS 1 stream, 2 relay hash · ARGV 1 fence, 2 batch id, 3 bound, then (event id, event) pairs
 * Returns "appended", "repeated", "fenced" or "full".
 */
const APPEND: Script = {
  name: "relay_append",
  lua: `
    local fence = redis.call('HGET', KEYS[2], 'fence')
    if fence and tonumber(fence) > tonumber(ARGV[1]) then return 'fenced' end
    if redis.call('HGET', KEYS[2], 'batch') == ARGV[2] then return 'repeated' end
    if redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[3]) then return 'full' end
    redis.call('HSET', KEYS[2], 'fence', ARGV[1], 'batch', ARGV[2])
    for i = 4, #ARGV, 2 do
      redis.call('XADD', KEYS[1], '*', 'id', ARGV[i], 'event', ARGV[i + 1])
      redis.call('HSET', KEYS[2], 'last', ARGV[i])
    end
    return 'appended'`,
};

/**
 * Takes the stream for a new owner.
 * KEYS 1 relay hash · ARGV 1 fence · Returns "taken" or "fenced".
 */
const TAKE: Script = {
  name: "relay_take",
  lua: `
    local fence = redis.call('HGET', KEYS[1], 'fence')
    if fence and tonumber(fence) > tonumber(ARGV[1]) then return 'fenced' end
    redis.call('HSET', KEYS[1], 'fence', ARGV[1])
    return 'taken'`,
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
  /** Called with the number of events of each appended batch. */
  readonly onPublished?: (count: number) => void;
}

interface OutboxRow {
  readonly id: string;
  readonly eventId: string;
  readonly type: string;
  readonly version: number;
  readonly region: string;
  readonly key: string;
  readonly occurredAt: Date;
  readonly trace: string | null;
  readonly data: unknown;
}

/** Runs until the signal aborts or the fence is passed. */
export async function runRelay(options: RelayOptions): Promise<void> {
  const relay = new Relay(options);
  while (!options.signal.aborted) {
    try {
      const moved = await relay.step();
      if (moved === "fenced") return;
      if (moved === "full") await pause(RETRY_MS, options.signal);
      if (moved === "idle") await options.wake.wait(POLL_FLOOR_MS, options.signal);
    } catch (error) {
      relay.doubt();
      options.log.warn("relay cannot publish; it tries again", { error });
      await pause(RETRY_MS, options.signal);
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
  #batchNumber = 0;

  constructor(options: RelayOptions) {
    const partition = partitionOf(options.region, options.shard);
    this.#options = options;
    this.#streamKey = options.keys.events(partition);
    this.#relayKey = options.keys.relay(partition);
  }

  /** Says that an outcome is unknown. */
  doubt(): void {
    this.#isDoubtful = true;
  }

  /** Moves at most one batch. */
  async step(): Promise<"moved" | "idle" | "full" | "fenced"> {
    // The fence before the rows: from here on no predecessor can append what is about to be read.
    const present = this.#isDoubtful ? await this.#takeAndLook() : undefined;
    if (present === "fenced") return this.#fenced();
    const rows = await this.#unpublished();
    this.#isDoubtful = false;
    if (rows.length === 0) return "idle";
    const fresh = present === undefined ? rows : rows.filter((row) => !present.has(row.eventId));
    if (fresh.length > 0) {
      const outcome = await this.#append(fresh);
      if (outcome === "fenced") return this.#fenced();
      if (outcome === "full") return this.#full();
    }
    await this.#mark(rows);
    this.#options.onPublished?.(fresh.length);
    return "moved";
  }

  async #unpublished(): Promise<OutboxRow[]> {
    const { sql, region, shard } = this.#options;
    return await sql<OutboxRow[]>`
      select id, event_id, type, version, region, key, occurred_at, trace, data from outbox
      where region = ${region} and shard = ${shard} and published_at is null
      order by id limit ${BATCH_ROWS}`;
  }

  /** Takes the stream; answers the event ids of its last entries. */
  async #takeAndLook(): Promise<Set<string> | "fenced"> {
    const { redis, lease } = this.#options;
    const taken = await runScript(redis, TAKE, [this.#relayKey], [lease.fence]);
    if (taken === "fenced") return "fenced";
    const entries = await this.#options.redis.xrevrange(
      this.#streamKey,
      "+",
      "-",
      "COUNT",
      BATCH_ROWS,
    );
    return new Set(entries.map(([, fields]) => fields[fields.indexOf("id") + 1] ?? ""));
  }

  async #append(rows: readonly OutboxRow[]): Promise<unknown> {
    const { redis, lease } = this.#options;
    this.#batchNumber++;
    const args: (string | number)[] = [
      lease.fence,
      `${lease.fence}.${this.#batchNumber}`,
      MAX_STREAM_ENTRIES,
    ];
    for (const row of rows) args.push(row.eventId, JSON.stringify(envelopeOf(row)));
    return await runScript(redis, APPEND, [this.#streamKey, this.#relayKey], args);
  }

  async #mark(rows: readonly OutboxRow[]): Promise<void> {
    const ids = rows.map((row) => row.id);
    await this.#options.sql`
      update outbox set published_at = clock_timestamp()
      where id = any(${ids}::bigint[]) and published_at is null`;
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

function envelopeOf(row: OutboxRow) {
  return {
    id: row.eventId,
    type: row.type,
    version: row.version,
    region: row.region,
    key: row.key,
    occurredAt: row.occurredAt.toISOString(),
    trace: row.trace,
    data: row.data,
  };
}
