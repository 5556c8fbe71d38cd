/** Rules about what stands in Redis: index, event stream, groups. */
import { Availability } from "shared/availability/availability.ts";
import { HIDDEN_AFTER_MS } from "shared/availability/cleaning.ts";
import type { Redis } from "ioredis";
import { readGeneration } from "shared/redis/generation.ts";
import type { CourierStatus } from "shared/orders/rows.ts";
import { eventually } from "../harness/eventually.ts";
import type { Evidence, Violation } from "./evidence.ts";

export const EVENT_GROUPS = ["matcher", "ingest", "tracker"] as const;
export const POSITION_GROUPS = ["tracker", "history"] as const;
/** Redis follows Postgres within 2 s, and couriers send every 3 s. */
const INDEX_GRACE_MS = 6_000;
/** A consumer that lives finishes what it has read long before. */
const MAX_PENDING_IDLE_MS = 10_000;

/** I4: the index equals what Postgres and the couriers' fixes say, soon after all is quiet. */
export async function checkIndex(
  evidence: Evidence,
  graceMs = INDEX_GRACE_MS,
): Promise<Violation[]> {
  let details: string[] = [];
  try {
    await eventually("the index is exact", async () => {
      details = await indexErrors(evidence);
      return details.length === 0;
    }, graceMs);
    return [];
  } catch {
    return details.map((detail) => ({ rule: "I4", detail }));
  }
}

async function indexErrors({ sql, redis, keys, partition }: Evidence): Promise<string[]> {
  const couriers = await sql<{ id: string; status: CourierStatus }[]>`
    select id, status from couriers`;
  const indexed = new Set(await redis.zrange(keys.couriersGeo(partition), "0", "-1"));
  const [seconds] = await redis.time();
  const availability = new Availability(redis, keys, partition);
  const details: string[] = [];
  for (const { id, status } of couriers) {
    const state = await availability.find(id);
    const isFresh = state?.newest !== undefined && !state.isReturning &&
      Number(seconds) * 1000 - state.heardAtMs < HIDDEN_AFTER_MS;
    const belongs = status === "available" && isFresh;
    if (indexed.has(id) && !belongs) {
      details.push(`courier ${id} is in the index: ${status}, ${isFresh ? "fresh" : "silent"}`);
    }
    if (!indexed.has(id) && belongs) details.push(`courier ${id} is missing from the index`);
    indexed.delete(id);
  }
  for (const id of indexed) details.push(`the index has ${id}, who is no courier`);
  return details;
}

/** I6: every event was published; in the stream each aggregate's events first appear in order. */
export async function checkPublished(evidence: Evidence): Promise<Violation[]> {
  const { sql, redis, keys, partition, expected } = evidence;
  const violations: Violation[] = [];
  const broken = (detail: string) => violations.push({ rule: "I6", detail });
  const rows = await sql<{ id: string; eventId: string; key: string; isPublished: boolean }[]>`
    select id, event_id, key, published_at is not null as is_published from outbox_events order by id`;
  const inStream = await streamedIds(redis, keys.events(partition));
  const places = new Map<string, number>();
  inStream.forEach((id, place) => {
    if (id !== undefined && !places.has(id)) places.set(id, place);
  });
  const lastPlace = new Map<string, { place: number; id: string }>();
  for (const { id, eventId, key, isPublished } of rows) {
    if (!isPublished) broken(`event ${eventId} (outbox ${id}) was never published`);
    const place = places.get(eventId);
    places.delete(eventId);
    if (place === undefined) {
      if (isPublished && expected.isRedisWiped !== true) {
        broken(`event ${eventId} (outbox ${id}) is marked as published and not in the stream`);
      }
      continue;
    }
    const before = lastPlace.get(key);
    if (before !== undefined && before.place > place) {
      broken(`events of ${key} are out of order: ${eventId} came before ${before.id}`);
    }
    lastPlace.set(key, { place, id: eventId });
  }
  const generation = await readGeneration(sql);
  if (generation !== evidence.generation && expected.isRedisWiped !== true) {
    broken(`Redis was rebuilt (${evidence.generation} to ${generation}) and had lost nothing`);
  }
  for (const id of places.keys()) broken(`the stream has event ${id}, which the outbox has not`);
  return violations;
}

async function streamedIds(redis: Redis, stream: string): Promise<(string | undefined)[]> {
  const entries = await redis.xrange(stream, "-", "+");
  return entries.map(([, fields]) => {
    const at = fields.indexOf("id");
    return at === -1 ? undefined : fields[at + 1];
  });
}

/** I7: every group has read and finished everything; what is parked is the test's own junk. */
export async function checkConsumed(evidence: Evidence): Promise<Violation[]> {
  const { sql, redis, keys, partition, expected } = evidence;
  const details: string[] = [];
  const stream = keys.events(partition);
  const [last] = await redis.xrevrange(stream, "+", "-", "COUNT", 1);
  const groups = await groupsOf(redis, stream);
  for (const name of EVENT_GROUPS) {
    const group = groups.get(name);
    if (group === undefined) {
      details.push(`group ${name} does not exist`);
      continue;
    }
    if (group.pending > 0) details.push(`group ${name} has ${group.pending} unfinished entries`);
    if (last !== undefined && group.lastDeliveredId !== last[0]) {
      details.push(`group ${name} has read to ${group.lastDeliveredId} of ${last[0]}`);
    }
  }
  details.push(...await stuckPositions(evidence));
  const parked = await sql<{ consumer: string; entryId: string; cause: string }[]>`
    select consumer, entry_id, cause from parked_events`;
  const expectedParked = (expected.junkEntries ?? 0) * EVENT_GROUPS.length +
    (expected.junkPositions ?? 0) * POSITION_GROUPS.length;
  if (parked.length !== expectedParked) {
    const causes = parked.map((row) =>
      `${row.consumer} ${row.entryId}: ${row.cause.slice(0, 200)}`
    );
    details.push(`${parked.length} events are parked, not ${expectedParked}: ${causes.join("; ")}`);
  }
  return details.map((detail) => ({ rule: "I7", detail }));
}

/** Positions never stop coming, so here only what is old counts. */
async function stuckPositions({ redis, keys, partition }: Evidence): Promise<string[]> {
  const stream = keys.positions(partition);
  const groups = await groupsOf(redis, stream);
  const details: string[] = [];
  for (const name of POSITION_GROUPS) {
    if (!groups.has(name)) continue;
    const stuck = await redis.xpending(stream, name, "IDLE", MAX_PENDING_IDLE_MS, "-", "+", 10);
    if (stuck.length > 0) details.push(`${name} has ${stuck.length} position entries unfinished`);
  }
  return details;
}

async function groupsOf(redis: Redis, stream: string) {
  const groups = new Map<string, { pending: number; lastDeliveredId: string }>();
  if (await redis.exists(stream) === 0) return groups;
  for (const flat of await redis.xinfo("GROUPS", stream) as unknown[][]) {
    const field = (name: string) => flat[flat.indexOf(name) + 1];
    groups.set(String(field("name")), {
      pending: Number(field("pending")),
      lastDeliveredId: String(field("last-delivered-id")),
    });
  }
  return groups;
}
