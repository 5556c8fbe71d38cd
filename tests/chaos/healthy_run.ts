/** A run in which all is well, to damage on purpose: what proves the oracle. */
import assert from "node:assert/strict";
import { Registry } from "prom-client";
import { readGeneration } from "shared/redis/generation.ts";
import { CourierIndex, fixAt, PICKUP } from "../harness/couriers.ts";
import { assign, createDispatchWorld, newOrder, step } from "../harness/dispatch_world.ts";
import { insertCourier } from "../harness/fixtures.ts";
import { openRelay, PARTITION, readPublished, relayAll } from "../harness/outbox.ts";
import type { TestStores } from "../harness/stores.ts";
import type { Frame } from "../harness/track_viewer.ts";
import { withStores } from "../harness/with_stores.ts";
import { CarriedOrders } from "../../services/tracker/carried_orders.ts";
import { createTrackerMetrics } from "../../services/tracker/metrics.ts";
import { projectEvent } from "../../services/tracker/projector.ts";
import { TrackLog } from "../../services/tracker/track_log.ts";
import { EVENT_GROUPS } from "./check_streams.ts";
import type { Evidence, TrackRecord, Violation } from "./evidence.ts";
import { type Attempt, History } from "./history.ts";

export const KEY = "key-1";
export const SECRET = "the-secret-of-a-link";

/** A run in which one parcel was accepted, carried by a courier and delivered. */
export interface HealthyRun {
  readonly stores: TestStores;
  readonly orderId: string;
  readonly courierId: string;
  readonly evidence: Evidence;
  /** The evidence with some of it exchanged. */
  bent(changes: Partial<Evidence>): Evidence;
}

/** Makes the run and hands it over. */
export async function withHealthyRun(use: (run: HealthyRun) => Promise<void>): Promise<void> {
  await withStores(async (stores) => {
    const { sql, redis, keys } = stores;
    const world = await createDispatchWorld(sql);
    const orderId = await newOrder(world, { kind: "parcel" });
    const courierId = await insertCourier(sql);
    await assign(world, orderId, courierId);
    for (const action of ["pick_up", "depart", "deliver"] as const) {
      await step(world, orderId, courierId, action);
    }
    await sql`
      insert into idempotency (account_id, key, request_hash, status, body)
      values (${world.customerId}, ${KEY}, sha256('a request'), 201,
        ${sql.json({ id: orderId })})`;
    await relayAll(await openRelay(stores));
    for (const group of EVENT_GROUPS) {
      await redis.xgroup("CREATE", keys.events(PARTITION), group, "$");
    }
    await project(stores);
    await isIndexed(stores, courierId);
    const history = new History();
    tell(history, "ok", orderId);
    const evidence: Evidence = {
      sql,
      redis,
      keys,
      partition: PARTITION,
      history,
      tracks: [await seenTrack(stores, orderId)],
      logLines: ['gateway | {"level":"info","message":"request"}'],
      endings: [],
      secrets: [SECRET],
      expected: {},
      sampled: [],
      generation: await readGeneration(sql),
    };
    await use({
      stores,
      orderId,
      courierId,
      evidence,
      bent: (changes) => ({ ...evidence, ...changes }),
    });
  });
}

/** What the tracker does with the events. */
async function project(stores: TestStores): Promise<void> {
  const { sql, redis, keys } = stores;
  const deps = {
    sql,
    redis,
    keys,
    trackLog: new TrackLog(redis, keys),
    carried: new CarriedOrders(),
    metrics: createTrackerMetrics(new Registry()),
    partition: PARTITION,
  };
  for (const event of await readPublished(redis, stores)) await projectEvent(deps, event);
}

async function isIndexed(stores: TestStores, courierId: string): Promise<void> {
  const [row] = await stores.sql<{ version: number }[]>`
    select version from couriers where id = ${courierId}`;
  const index = new CourierIndex(stores);
  await index.availability.applyStatus(courierId, "available", row?.version ?? 0);
  await index.fix(courierId, fixAt(PICKUP));
}

/** Adds an attempt of the customer. */
export function tell(
  history: History,
  outcome: "ok" | "fail" | "unknown",
  orderId?: string,
  changes: Partial<Attempt> = {},
): void {
  history.add({
    op: "place",
    key: KEY,
    customer: 1,
    invokedAtMs: 0,
    endedAtMs: 1,
    outcome,
    status: outcome === "ok" ? 201 : null,
    ...(orderId === undefined ? {} : { orderId }),
    ...changes,
  });
}

/** A track as a watcher sees it that breaks off once and resumes. */
async function seenTrack({ sql }: TestStores, orderId: string): Promise<TrackRecord> {
  const changes = await sql<{ version: number; to: string }[]>`
    select aggregate_version as version, data ->> 'to' as to from outbox_events
    where key = ${orderId} and type = 'order.status_changed' order by id`;
  const epoch = "e";
  const statuses: Frame[] = changes.map(({ version, to }, index) => ({
    type: "status",
    epoch,
    seq: index + 1,
    version,
    status: to,
  }));
  const snapshot: Frame = { type: "snapshot", epoch, seq: 0, order: { stateTimes: {} } };
  const resumed: Frame = { type: "resumed", epoch, seq: 1 };
  return {
    orderId,
    ended: "delivered",
    connections: [
      { since: undefined, frames: [snapshot, ...statuses.slice(0, 1)] },
      { since: `${epoch}:1`, frames: [resumed, ...statuses.slice(1)] },
    ],
  };
}

/** Asserts that the rule is broken, in words that name the damage. */
export function assertFound(violations: readonly Violation[], rule: string, words: RegExp): void {
  const found = violations.filter((violation) => violation.rule === rule);
  assert.ok(
    found.some(({ detail }) => words.test(detail)),
    `${rule} ${words} is not in ${JSON.stringify(violations, null, 1)}`,
  );
}
