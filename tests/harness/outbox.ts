/** Changes of orders that leave events, the relay that publishes them, and what was published. */
import { Wake } from "shared/clock/wake.ts";
import { parseEnvelope } from "shared/events/envelope.ts";
import type { Envelope } from "shared/events/catalogue.ts";
import { type Lease, takeLease } from "shared/lease/lease.ts";
import { silentLog } from "shared/log/log.ts";
import { appendEvents } from "shared/outbox/append.ts";
import { Relay, type RelayOptions } from "shared/outbox/relay.ts";
import type { Redis } from "shared/redis/connect.ts";
import { partitionOf } from "shared/redis/keys.ts";
import type { Sql, Tx } from "shared/sql/connect.ts";
import { REGION } from "./fixtures.ts";
import type { TestStores } from "./stores.ts";

export const PARTITION = partitionOf(REGION, 0);
const MAX_STEPS = 1_000;

/** Raises an order's version with one event, as every transition of the product does. */
export async function changeOrder(tx: Tx, orderId: string): Promise<number> {
  const [row] = await tx<{ version: number }[]>`
    update orders set version = version + 1 where id = ${orderId} returning version`;
  if (row === undefined) throw new Error(`order ${orderId} is missing`);
  const { version } = row;
  appendEvents(tx, { id: orderId, version, region: REGION, shard: 0 }, [{
    type: "order.attention_raised",
    data: { orderId, orderVersion: version, reason: `change ${version}` },
  }]);
  return version;
}

/** The lease of the partition's keeper; the one before is taken to be dead. */
export async function takeRelayLease(sql: Sql, owner = "keeper:test"): Promise<Lease> {
  const name = `keeper:${PARTITION}`;
  await expireLease(sql, name);
  const lease = await takeLease(sql, name, owner);
  if (lease === undefined) throw new Error(`lease ${name} is held`);
  return lease;
}

/** Lets a lease end now, as if its owner had been stopped for longer than its life. */
export async function expireLease(sql: Sql, name: string): Promise<void> {
  await sql`
    update leases set expires_at = clock_timestamp() - interval '1 millisecond'
    where name = ${name}`;
}

/** A relay of the test partition, as the next owner. */
export async function openRelay(
  stores: TestStores,
  bent: Partial<RelayOptions> = {},
): Promise<Relay> {
  return new Relay(relayOptions(stores, await takeRelayLease(stores.sql), bent));
}

export function relayOptions(
  { sql, redis, keys }: TestStores,
  lease: Lease,
  bent: Partial<RelayOptions> = {},
): RelayOptions {
  return {
    sql,
    redis,
    keys,
    region: REGION,
    shard: 0,
    lease,
    wake: new Wake(),
    log: silentLog,
    signal: new AbortController().signal,
    ...bent,
  };
}

/** Steps until nothing is left to publish. */
export async function relayAll(relay: Relay): Promise<void> {
  for (let steps = 0; steps < MAX_STEPS; steps++) {
    const outcome = await relay.step();
    if (outcome === "idle") return;
    if (outcome !== "moved") throw new Error(`relay step answered ${outcome}`);
  }
  throw new Error(`relay was not done after ${MAX_STEPS} steps`);
}

/** The events of the test partition's stream, the oldest first. */
export async function readPublished(redis: Redis, { keys }: TestStores): Promise<Envelope[]> {
  const entries = await redis.xrange(keys.events(PARTITION), "-", "+");
  return entries.map(([, fields]) => {
    const event = parseEnvelope(fields[fields.indexOf("event") + 1] ?? "");
    if (event === undefined) throw new Error("stream has an event of an unknown type");
    return event;
  });
}

/** The order versions that were published, per order in the order of the stream. */
export function versionsByOrder(events: readonly Envelope[]): Map<string, number[]> {
  const versions = new Map<string, number[]>();
  for (const { key, data } of events) {
    if (!("orderVersion" in data)) continue;
    versions.set(key, [...versions.get(key) ?? [], data.orderVersion]);
  }
  return versions;
}

/** Numbers as their ascending runs, so that a failure is short to read: `1-600, 2-101`. */
export function runsOf(numbers: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const number of numbers) {
    const run = runs.at(-1);
    if (run !== undefined && number === run[1] + 1) run[1] = number;
    else runs.push([number, number]);
  }
  return runs.map(([from, to]) => from === to ? `${from}` : `${from}-${to}`).join(", ");
}
