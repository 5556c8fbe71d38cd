/** The stage that keeps the position history, over real stores. */
import { Registry } from "prom-client";
import type { FixCode } from "shared/availability/fix.ts";
import type { Point } from "shared/geo/point.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { type Lease, takeLease } from "shared/lease/lease.ts";
import { silentLog } from "shared/log/log.ts";
import { POSITION_KINDS, type PositionKind } from "shared/history/position_kind.ts";
import type { CourierStatus } from "shared/orders/rows.ts";
import type { Redis } from "shared/redis/connect.ts";
import { readRegions } from "shared/regions/region.ts";
import type { Sql } from "shared/sql/connect.ts";
import { keepHistory } from "../../services/keeper/keep_history.ts";
import { createKeeperMetrics } from "../../services/keeper/metrics.ts";
import { expireLease, PARTITION } from "./outbox.ts";
import { REGION } from "./fixtures.ts";
import type { TestStores } from "./stores.ts";

/** What a phone said, and what the script made of it. */
export interface SentFix extends Point {
  readonly recordedAtMs: number;
  readonly accuracyM?: number;
  readonly headingDeg?: number;
  readonly speedMps?: number;
  readonly code?: FixCode;
  /** Whether the phone's clock was ahead. */
  readonly isClamped?: boolean;
}

/** What one courier sends at once. */
export interface Sent {
  readonly courierId: string;
  readonly status?: CourierStatus;
  readonly fixes: readonly SentFix[];
}

const LETTERS: Partial<Record<FixCode, string>> = {
  accepted: "a",
  late: "l",
  low_accuracy: "w",
  jump: "j",
};

/** Appends an entry as the script of ingest does at that time; its id. */
export async function appendEntry(
  { redis, keys }: Pick<TestStores, "redis" | "keys">,
  sent: readonly Sent[],
  receivedAtMs: number,
): Promise<string> {
  const couriers = sent.map(({ courierId, status = "available", fixes }) => ({
    c: courierId,
    s: status,
    v: 1,
    r: 0,
    f: fixes.map((fix) => [
      fix.recordedAtMs,
      fix.lat,
      fix.lon,
      fix.accuracyM ?? null,
      fix.headingDeg ?? null,
      fix.speedMps ?? null,
    ]),
    k: fixes.map(({ code = "accepted", isClamped }) => {
      const letter = LETTERS[code] ?? "a";
      return isClamped === true ? letter.toUpperCase() : letter;
    }).join(""),
  }));
  const fields = ["at", receivedAtMs, "couriers", JSON.stringify(couriers)];
  const id = await redis.xadd(keys.positions(PARTITION), `${receivedAtMs}-*`, ...fields);
  if (id === null) throw new Error("XADD answered nothing");
  return id;
}

/** One owner of the history, as it runs in keeper. */
export interface HistoryOwner {
  /** Ends it as SIGTERM does. */
  stop(): Promise<void>;
}

/** Starts an owner. What is bent stands for what breaks around it. */
export async function startHistory(
  stores: TestStores,
  bent: { readonly sql?: Sql; readonly redis?: Redis } = {},
): Promise<HistoryOwner> {
  const stopping = new AbortController();
  const [region] = await readRegions(stores.sql);
  if (region === undefined) throw new Error("the world has no region");
  const running = keepHistory({
    sql: bent.sql ?? stores.sql,
    redis: bent.redis ?? stores.redis,
    keys: stores.keys,
    metrics: createKeeperMetrics(new Registry()),
    log: silentLog,
    signal: stopping.signal,
    owner: `test:${uuidv7()}`,
    openBlocking: () => stores.openBlocking(),
    lingerMs: 20,
  }, { region, shard: 0, partition: PARTITION });
  return {
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}

const LEASE = `consumer:history:${PARTITION}`;

/** Lets the lease of a dead owner end now. */
export async function expireHistoryLease(sql: Sql): Promise<void> {
  await expireLease(sql, LEASE);
}

/** The lease of the history; the owner before is taken to be dead. */
export async function takeHistoryLease(sql: Sql): Promise<Lease> {
  await expireHistoryLease(sql);
  const lease = await takeLease(sql, LEASE, "the test");
  if (lease === undefined) throw new Error("the lease of the history is held");
  return lease;
}

/** Whether the group has read and finished everything. */
export async function isHistoryDone({ redis, keys }: TestStores): Promise<boolean> {
  const stream = keys.positions(PARTITION);
  const [last] = await redis.xrevrange(stream, "+", "-", "COUNT", 1);
  const groups = await redis.xinfo("GROUPS", stream) as unknown[][];
  const group = groups.find((flat) => flat.includes("history")) ?? [];
  return group[group.indexOf("last-delivered-id") + 1] === last?.[0] &&
    group[group.indexOf("pending") + 1] === 0;
}

/** A row of the history. */
export interface HistoryRow {
  readonly courierId: string;
  readonly recordedAtMs: number;
  readonly lat: number;
  readonly lon: number;
  readonly accuracyM: number | null;
  readonly headingDeg: number | null;
  readonly speedCmps: number | null;
  readonly fixes: number;
  readonly kind: PositionKind;
  readonly carrying: boolean;
}

/** All rows of a courier, by their time. */
export async function historyOf(sql: Sql, courierId: string): Promise<HistoryRow[]> {
  const rows = await sql<(Omit<HistoryRow, "kind"> & { readonly kind: number })[]>`
    select courier_id, round(extract(epoch from recorded_at) * 1000)::float8 as recorded_at_ms,
      lat_e7 / 1e7::float8 as lat, lon_e7 / 1e7::float8 as lon, accuracy_m, heading_deg,
      speed_cmps, fixes, kind, carrying
    from courier_positions where courier_id = ${courierId} order by recorded_at`;
  return rows.map((row) => ({ ...row, kind: POSITION_KINDS[row.kind] ?? "usual" }));
}

/** What the partition's progress says was read and written. */
export async function progressOf(sql: Sql) {
  const [row] = await sql<
    { generation: number; entryId: string; fixes: string; sampled: string }[]
  >`
    select generation, entry_id, fixes, sampled from position_progress
    where region = ${REGION} and shard = 0`;
  return row && { ...row, fixes: Number(row.fixes), sampled: Number(row.sampled) };
}
