/** Proves the oracle: each rule passes a healthy run, and fails on damage made for it. */
import assert from "node:assert/strict";
import { pause } from "shared/clock/timeout.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { CourierIndex } from "../harness/couriers.ts";
import { assign, createDispatchWorld, newOrder, step } from "../harness/dispatch_world.ts";
import { insertCourier } from "../harness/fixtures.ts";
import { openRelay, PARTITION, relayAll } from "../harness/outbox.ts";
import type { TestStores } from "../harness/stores.ts";
import type { Frame } from "../harness/track_viewer.ts";
import { withStores } from "../harness/with_stores.ts";
import { checkAccepted, checkAssignments, checkLives, checkNothingLeft } from "./check_orders.ts";
import { checkProcesses } from "./check_processes.ts";
import { checkConsumed, checkIndex, checkPublished, EVENT_GROUPS } from "./check_streams.ts";
import { checkTracks } from "./check_tracks.ts";
import { checkAll } from "./checker.ts";
import type { Evidence, Expected, TrackRecord, Violation } from "./evidence.ts";
import { History } from "./history.ts";

const KEY = "key-1";
const SECRET = "the-secret-of-a-link";

/** A run in which one parcel was accepted, carried by a courier and delivered. */
interface HealthyRun {
  readonly stores: TestStores;
  readonly orderId: string;
  readonly courierId: string;
  readonly evidence: Evidence;
  /** The evidence with some of it exchanged. */
  bent(changes: Partial<Evidence>): Evidence;
}

async function withHealthyRun(use: (run: HealthyRun) => Promise<void>): Promise<void> {
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
      values (${world.customerId}, ${KEY}, '\\x00', 201, ${sql.json({ id: orderId })})`;
    await relayAll(await openRelay(stores));
    for (const group of EVENT_GROUPS) {
      await redis.xgroup("CREATE", keys.events(PARTITION), group, "$");
    }
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

async function isIndexed(stores: TestStores, courierId: string): Promise<void> {
  const [row] = await stores.sql<{ version: number }[]>`
    select version from couriers where id = ${courierId}`;
  const { availability } = new CourierIndex(stores);
  await availability.applyStatus(courierId, "available", row?.version ?? 0);
  const fix = { lat: 57.7, lon: 11.9, recordedAt: new Date().toISOString() };
  await availability.applyFixes([{ courierId, fix }]);
}

function tell(history: History, outcome: "ok" | "fail" | "unknown", orderId?: string): void {
  history.add({
    op: "place",
    key: KEY,
    customer: 1,
    invokedAtMs: 0,
    endedAtMs: 1,
    outcome,
    status: outcome === "ok" ? 201 : null,
    ...(orderId === undefined ? {} : { orderId }),
  });
}

/** A track as a watcher sees it that breaks off once and resumes. */
async function seenTrack({ sql }: TestStores, orderId: string): Promise<TrackRecord> {
  const changes = await sql<{ version: number; to: string }[]>`
    select aggregate_version as version, data ->> 'to' as to from outbox
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
function assertFound(violations: readonly Violation[], rule: string, words: RegExp): void {
  const found = violations.filter((violation) => violation.rule === rule);
  assert.ok(
    found.some(({ detail }) => words.test(detail)),
    `${rule} ${words} is not in ${JSON.stringify(violations, null, 1)}`,
  );
}

Deno.test("checkAll() finds nothing in a healthy run", async () => {
  await withHealthyRun(async ({ evidence }) => {
    assert.deepEqual(await checkAll(evidence), []);
  });
});

Deno.test("checkAccepted() misses neither a lost, a doubled nor an invented order", async () => {
  await withHealthyRun(async ({ evidence, stores: { sql }, orderId }) => {
    const history = new History();
    tell(history, "ok", orderId);
    tell(history, "ok", uuidv7());
    assertFound(await checkAccepted({ ...evidence, history }), "I1", /was told orders .* and /);
    assertFound(await checkAccepted({ ...evidence, history }), "I1", /was accepted .* not exist/);
    await sql`update idempotency set body = ${sql.json({ id: uuidv7() })}`;
    assertFound(await checkAccepted(evidence), "I1", /its stored answer is/);
    assertFound(await checkAccepted(evidence), "I1", /nobody's key made it/);
    assertFound(await checkAccepted(evidence), "I1", /has the answer of order .* not exist/);
  });
});

Deno.test("checkAccepted() wants an answer for every key, and no refusal", async () => {
  await withHealthyRun(async ({ bent }) => {
    const unanswered = new History();
    tell(unanswered, "unknown");
    assertFound(await checkAccepted(bent({ history: unanswered })), "I1", /never got an answer/);
    const refused = new History();
    tell(refused, "fail");
    assertFound(await checkAccepted(bent({ history: refused })), "I1", /was refused/);
  });
});

Deno.test("checkLives() finds unfinished orders and illegal steps", async () => {
  await withHealthyRun(async ({ evidence, stores: { sql }, orderId }) => {
    await sql`update orders set status = 'in_transit' where id = ${orderId}`;
    assertFound(await checkLives(evidence), "I2", /is still in_transit/);
    assertFound(await checkLives(evidence), "I2", /events end at delivered/);
    await sql`
      update outbox set data = data::jsonb || '{"from":"placed","to":"delivered"}'
      where key = ${orderId} and data ->> 'to' = 'picked_up'`;
    assertFound(await checkLives(evidence), "I2", /went from placed to delivered/);
    assertFound(await checkLives(evidence), "I2", /went on from picked_up although it was deliv/);
  });
});

Deno.test("checkAssignments() finds two couriers of an order, two orders of a courier, lost versions", async () => {
  await withHealthyRun(async ({ evidence, stores: { sql }, orderId, courierId }) => {
    const other = await insertCourier(sql);
    const double = (courier: string, order: string) =>
      sql`
        insert into assignments (id, order_id, courier_id, created_at, ended_at)
        select ${uuidv7()}, ${order}, ${courier}, created_at, ended_at from assignments
        where order_id = ${orderId} limit 1`;
    await double(other, orderId);
    assertFound(await checkAssignments(evidence), "I3", /had couriers .* at the same time/);
    await double(courierId, uuidv7());
    assertFound(await checkAssignments(evidence), "I3", /had 2 orders at .* a capacity of 1/);
    await sql`update orders set version = version + 1 where id = ${orderId}`;
    assertFound(await checkAssignments(evidence), "I3", /is at version/);
  });
});

Deno.test("checkIndex() finds who is missing from the index and who should not be in it", async () => {
  await withHealthyRun(async ({ evidence, stores, courierId }) => {
    const { sql, redis, keys } = stores;
    const geo = keys.couriersGeo(PARTITION);
    await redis.zrem(geo, courierId);
    assertFound(await checkIndex(evidence, 50), "I4", /is missing from the index/);
    await redis.geoadd(geo, 11.9, 57.7, courierId);
    await sql`update couriers set status = 'busy' where id = ${courierId}`;
    assertFound(await checkIndex(evidence, 50), "I4", /is in the index: busy/);
    await redis.geoadd(geo, 11.9, 57.7, uuidv7());
    assertFound(await checkIndex(evidence, 50), "I4", /who is no courier/);
  });
});

Deno.test("checkIndex() finds a silent courier in the index", async () => {
  await withHealthyRun(async ({ evidence, stores, courierId }) => {
    await new CourierIndex(stores).age(courierId, 60_000);
    assertFound(await checkIndex(evidence, 50), "I4", /is in the index: available, silent/);
  });
});

/** The healthy track with one frame of its second connection exchanged. */
function exchanged(track: TrackRecord, at: number, change: Partial<Frame>): TrackRecord {
  const [first, second] = track.connections;
  assert.ok(first !== undefined && second !== undefined);
  const frames = second.frames.map((frame, index) =>
    index === at ? { ...frame, ...change } as Frame : frame
  );
  return { ...track, connections: [first, { ...second, frames }] };
}

Deno.test("checkTracks() finds gaps, repeats, false starts, false and missing states", async () => {
  await withHealthyRun(async ({ evidence, bent }) => {
    const [track] = evidence.tracks;
    assert.ok(track !== undefined);
    const errorsOf = async (changed: TrackRecord) => await checkTracks(bent({ tracks: [changed] }));
    assertFound(await errorsOf(exchanged(track, 2, { seq: 4 })), "I5", /status e:2 is followed by/);
    assertFound(await errorsOf(exchanged(track, 2, { seq: 2 })), "I5", /status e:2 is followed by/);
    assertFound(await errorsOf(exchanged(track, 1, { epoch: "f" })), "I5", /is followed by/);
    assertFound(await errorsOf(exchanged(track, 0, { seq: 0 })), "I5", /begins with resumed/);
    assertFound(
      await errorsOf(exchanged(track, 0, { type: "snapshot" })),
      "I5",
      /begins with snap/,
    );
    assertFound(await errorsOf(exchanged(track, 1, { type: "reset" })), "I5", /in the middle/);
    assertFound(await errorsOf(exchanged(track, 2, { version: 1 })), "I5", /comes after/);
    assertFound(await errorsOf(exchanged(track, 2, { status: "failed" })), "I5", /never happened/);
    assertFound(await errorsOf(exchanged(track, 2, { status: "failed" })), "I5", /told failed/);
    assertFound(await errorsOf(exchanged(track, 2, { status: "failed" })), "I5", /told delivered/);
    assertFound(await errorsOf({ ...track, ended: undefined }), "I5", /was told no end/);
    assertFound(await errorsOf({ ...track, orderId: uuidv7() }), "I5", /does not exist/);
  });
});

Deno.test("checkPublished() finds unpublished, lost, invented and disordered events", async () => {
  await withHealthyRun(async ({ evidence, bent, stores, orderId }) => {
    const { sql, redis, keys } = stores;
    const stream = keys.events(PARTITION);
    await sql`update outbox set published_at = null where id = (select max(id) from outbox)`;
    assertFound(await checkPublished(evidence), "I6", /was never published/);
    await sql`update outbox set published_at = clock_timestamp()`;
    const entries = await redis.xrange(stream, "-", "+");
    const ofOrder = entries.filter(([, fields]) =>
      (fields[3] ?? "").includes(`"key":"${orderId}"`)
    );
    const [first] = ofOrder;
    assert.ok(first !== undefined && ofOrder.length > 2);
    await redis.xdel(stream, first[0]);
    assertFound(await checkPublished(evidence), "I6", /marked as published and not in the stream/);
    const expected: Expected = { isRedisWiped: true };
    assert.deepEqual(await checkPublished(bent({ expected })), []);
    await redis.xadd(stream, "*", ...first[1]);
    assertFound(await checkPublished(evidence), "I6", /are out of order/);
    await redis.xadd(stream, "*", "id", uuidv7(), "event", "{}");
    assertFound(await checkPublished(evidence), "I6", /which the outbox has not/);
  });
});

Deno.test("checkConsumed() finds unread, unfinished and parked events, and lost groups", async () => {
  await withHealthyRun(async ({ evidence, bent, stores }) => {
    const { sql, redis, keys } = stores;
    const stream = keys.events(PARTITION);
    await redis.xadd(stream, "*", "event", "{}");
    assertFound(await checkConsumed(evidence), "I7", /group tracker has read to .* of /);
    await redis.xreadgroup("GROUP", "tracker", "owner", "STREAMS", stream, ">");
    assertFound(await checkConsumed(evidence), "I7", /group tracker has 1 unfinished/);
    await redis.xgroup("DESTROY", stream, "matcher");
    assertFound(await checkConsumed(evidence), "I7", /group matcher does not exist/);
    await sql`
      insert into parked_events (consumer, stream, entry_id, key, event, cause, attempts)
      values ('matcher', ${stream}, '1-1', 'k', '{}', 'a cause', 5)`;
    assertFound(await checkConsumed(evidence), "I7", /1 events are parked, not 0: .*a cause/);
    const expected: Expected = { junkPositions: 1 };
    const details = (await checkConsumed(bent({ expected }))).map(({ detail }) => detail);
    assert.ok(!details.some((detail) => detail.includes("parked")), details.join("; "));
  });
});

Deno.test("checkConsumed() finds positions that nobody finishes", async () => {
  await withHealthyRun(async ({ evidence, stores: { redis, keys } }) => {
    const stream = keys.positions(PARTITION);
    await redis.xgroup("CREATE", stream, "tracker", "0");
    await redis.xreadgroup("GROUP", "tracker", "owner", "STREAMS", stream, ">");
    await pause(1);
    const [entry] = await redis.xrange(stream, "-", "+", "COUNT", 1);
    assert.ok(entry !== undefined);
    // As if it had been read a minute ago.
    await redis.xclaim(stream, "tracker", "owner", 0, entry[0], "IDLE", 60_000);
    assertFound(await checkConsumed(evidence), "I7", /1 position entries unfinished/);
  });
});

Deno.test("checkNothingLeft() finds open offers, assignments and deadlines that did not fire", async () => {
  await withHealthyRun(async ({ evidence, stores: { sql } }) => {
    await sql`update offers set status = 'pending'`;
    assertFound(await checkNothingLeft(evidence), "I9", /offer .* is still pending/);
    await sql`update assignments set ended_at = null`;
    assertFound(await checkNothingLeft(evidence), "I9", /assignment .* has not ended/);
    await sql`update timers set due_at = clock_timestamp() - interval '1 minute'`;
    assertFound(await checkNothingLeft(evidence), "I9", /timer .* was due at/);
  });
});

Deno.test("checkProcesses() finds secrets, coordinates, unhandled errors and processes that ended", async () => {
  await withHealthyRun((run) => {
    const errorsOf = (line: string) => checkProcesses(run.bent({ logLines: [line] }));
    assertFound(errorsOf(`{"url":"/t/1#${SECRET}"}`), "I10", /secret 0 is in a log line/);
    assertFound(errorsOf('{"fix":{"lat":52.01}}'), "I10", /coordinates are logged/);
    assertFound(errorsOf('{"message":"unhandled rejection"}'), "I10", /unhandled:/);
    const endings = [{ name: "matcher", signal: "SIGKILL", code: 137 }];
    assertFound(checkProcesses(run.bent({ endings })), "I10", /matcher ended by itself/);
    const expected: Expected = { killed: ["matcher"] };
    assert.deepEqual(checkProcesses(run.bent({ endings, expected })), []);
    assertFound(checkProcesses(run.bent({ expected })), "I10", /was to be killed and was not/);
    return Promise.resolve();
  });
});
