/** Proves the oracle: each rule passes a healthy run, and fails on damage made for it. */
import assert from "node:assert/strict";
import { pause } from "shared/clock/timeout.ts";
import { raiseGeneration } from "shared/redis/generation.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { CourierIndex } from "../harness/couriers.ts";
import { offersOf } from "../harness/order_facts.ts";
import { insertCourier } from "../harness/fixtures.ts";
import { PARTITION } from "../harness/outbox.ts";
import type { Frame } from "../harness/track_viewer.ts";
import { checkEffects } from "./check_effects.ts";
import { checkAccepted, checkAssignments, checkLives, checkNothingLeft } from "./check_orders.ts";
import { checkProcesses } from "./check_processes.ts";
import { checkConsumed, checkIndex, checkPublished } from "./check_streams.ts";
import { checkTracks } from "./check_tracks.ts";
import { checkAll } from "./checker.ts";
import type { Expected, TrackRecord } from "./evidence.ts";
import { assertFound, SECRET, tell, withHealthyRun } from "./healthy_run.ts";
import { History } from "./history.ts";
import { installNotary } from "./notary.ts";
import { type CourierSample, IndexJudge } from "./sampler.ts";

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
      update outbox set events = regexp_replace(events, '"from":"\\w+","to":"picked_up"',
        '"from":"placed","to":"delivered"')
      where key = ${orderId}`;
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
    await sql`
      insert into parked_events (consumer, stream, entry_id, key, event, cause, attempts)
      values ('history', ${stream}, '1-1', 'k', '{}', 'a cause', 1)`;
    // Each group of the positions parks it.
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

Deno.test("checkAccepted() finds two answers to one key, and a key that takes another body", async () => {
  await withHealthyRun(async ({ bent, orderId }) => {
    const history = new History();
    tell(history, "ok", orderId, { answerHash: "a" });
    tell(history, "ok", orderId, { op: "replay", answerHash: "b" });
    tell(history, "ok", orderId, { op: "reuse" });
    const violations = await checkAccepted(bent({ history }));
    assertFound(violations, "I1", /got two different answers/);
    assertFound(violations, "I1", /came with another body and was answered 201/);
  });
});

Deno.test("checkAssignments() finds each unique rule that the database lost", async () => {
  const lost = [
    ["drop index assignments_one_active_per_order", /two active assignments of an order/],
    ["drop index offers_one_pending_per_order", /two pending offers of an order/],
    ["drop index offers_one_pending_per_courier", /two pending offers to a courier/],
    ["alter table outbox drop constraint outbox_pkey", /two changes of one version/],
    ["alter table processed_events drop constraint processed_events_pkey", /two effects of one/],
    ["alter table idempotency drop constraint idempotency_pkey", /two answers to one key/],
  ] as const;
  await withHealthyRun(async ({ evidence, stores: { sql } }) => {
    // One stays free of offers and another is needed for two offers of an order.
    await insertCourier(sql);
    for (const [statement, words] of lost) {
      await sql.unsafe(statement);
      assertFound(await checkAssignments(evidence), "I3", words);
    }
    const [row] = await sql<{ rows: number }[]>`
      select count(*)::int as rows from assignments where ended_at is null`;
    assert.equal(row?.rows, 0, "a probe left something behind");
  });
});

Deno.test("checkAssignments() finds an offer of a process that did not own the region", async () => {
  await withHealthyRun(async ({ bent, stores: { sql }, orderId }) => {
    await installNotary(sql);
    const [offer] = await offersOf(sql, orderId);
    assert.ok(offer !== undefined);
    await sql`insert into chaos.offers_made values (${offer.id}, 'matcher:matcher-2:a')`;
    const line = (maker: string) =>
      `${maker} | {"message":"offer made","orderId":"${orderId}","offerId":"${offer.id}"}`;
    const own = await checkAssignments(bent({ logLines: [line("matcher-2")] }));
    assert.deepEqual(own, []);
    const foreign = await checkAssignments(bent({ logLines: [line("matcher")] }));
    assertFound(foreign, "I3", /matcher made offer .* while matcher-2 owned the region/);
  });
});

Deno.test("the notary notes who holds the region's lease when an offer is made", async () => {
  await withHealthyRun(async ({ stores: { sql }, orderId }) => {
    await installNotary(sql);
    const [order] = await sql<{ region: string; shard: number }[]>`
      select region, shard from orders where id = ${orderId}`;
    const name = `consumer:matcher:${order?.region}:${order?.shard}`;
    await sql`
      insert into leases (name, owner, fence, expires_at)
      values (${name}, 'matcher:matcher-2:a', 1, clock_timestamp() + interval '1 minute')`;
    await sql`update offers set id = gen_random_uuid() where order_id = ${orderId}`;
    await sql`
      insert into offers select (jsonb_populate_record(o,
        jsonb_build_object('id', gen_random_uuid()))).* from offers o`;
    const noted = await sql<{ owner: string }[]>`select owner from chaos.offers_made`;
    assert.deepEqual([...noted], [{ owner: "matcher:matcher-2:a" }]);
  });
});

Deno.test("checkPublished() finds a rebuild of a Redis that had lost nothing", async () => {
  await withHealthyRun(async ({ evidence, bent, stores: { sql } }) => {
    await raiseGeneration(sql);
    assertFound(
      await checkPublished(evidence),
      "I6",
      /was rebuilt \(1 to 2\) and had lost nothing/,
    );
    assert.deepEqual(await checkPublished(bent({ expected: { isRedisWiped: true } })), []);
  });
});

Deno.test("checkEffects() finds a status that never reached Redis and frames that are lost or doubled", async () => {
  await withHealthyRun(async ({ evidence, bent, stores, orderId, courierId }) => {
    const { redis, keys, sql } = stores;
    const { availability } = new CourierIndex(stores);
    await availability.forget(courierId);
    await availability.applyStatus(courierId, "available", 1);
    assertFound(await checkEffects(evidence), "I7", /ingest's effect is available at 1/);
    const track = keys.track(PARTITION, orderId);
    const [first] = await redis.xrange(track, "-", "+");
    assert.ok(first !== undefined);
    await redis.xdel(track, first[0]);
    assertFound(
      await checkEffects(evidence),
      "I7",
      /courier frames of .* are \[6 assignment.ended\]/,
    );
    await redis.xadd(track, "*", ...first[1]);
    assertFound(await checkEffects(evidence), "I7", /are \[6 assignment.ended, 3 assignment.creat/);
    const [last] = await redis.xrevrange(track, "+", "-", "COUNT", 1);
    await redis.xdel(track, last?.[0] ?? "");
    const afterWipe = await checkEffects(bent({ expected: { isRedisWiped: true } }));
    assert.ok(!afterWipe.some(({ detail }) => detail.includes("track")), JSON.stringify(afterWipe));
    await redis.hdel(keys.couriers(PARTITION), courierId);
    assertFound(await checkEffects(evidence), "I7", /ingest's effect is null at null/);
    await sql`update couriers set status = 'offline' where id = ${courierId}`;
    const left = await checkEffects(evidence);
    assert.ok(!left.some(({ detail }) => detail.includes("ingest")), JSON.stringify(left));
  });
});

Deno.test("checkProcesses() wants a process that drains to end by itself and with success", async () => {
  await withHealthyRun((run) => {
    const expected: Expected = { drained: ["matcher"] };
    const errorsOf = (signal: string | null, code: number) =>
      checkProcesses(run.bent({ expected, endings: [{ name: "matcher", signal, code }] }));
    assert.deepEqual(errorsOf(null, 0), []);
    assertFound(errorsOf(null, 1), "I10", /matcher ended by itself \(exit code 1\)/);
    assertFound(errorsOf("SIGKILL", 137), "I10", /was to drain and end with exit code 0/);
    return Promise.resolve();
  });
});

const BUSY: CourierSample = {
  id: "c1",
  status: "busy",
  version: 2,
  hashStatus: "available",
  isIndexed: true,
  isAcknowledged: true,
};

Deno.test("IndexJudge gives 2 s from the acknowledgement, and none inside Redis", () => {
  const judge = new IndexJudge();
  judge.judge([{ ...BUSY, isAcknowledged: false }], 0);
  judge.judge([{ ...BUSY, isAcknowledged: false }], 60_000);
  assert.equal(judge.longestBehindMs, 60_000);
  judge.judge([BUSY], 61_000);
  judge.judge([BUSY], 63_000);
  assert.equal(judge.violations.length, 0);
  judge.judge([BUSY], 63_001);
  judge.judge([BUSY], 64_000);
  assert.equal(judge.violations.length, 1);
  judge.judge([{ ...BUSY, hashStatus: "busy", isIndexed: false }], 65_000);
  judge.judge([{ ...BUSY, hashStatus: "busy" }], 66_000);
  assert.match(judge.violations.at(-1)?.detail ?? "", /while its hash said busy/);
});
