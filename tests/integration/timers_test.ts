import assert from "node:assert/strict";
import { Registry } from "prom-client";
import { Wake } from "shared/clock/wake.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { silentLog } from "shared/log/log.ts";
import { acceptOffer, makeOffer } from "shared/orders/offers.ts";
import { takeLease } from "shared/lease/lease.ts";
import { scheduleTimer, type Timer } from "shared/timers/schedule.ts";
import type { Sql } from "shared/sql/connect.ts";
import { fireOne, type FireOptions, fireTimers } from "../../services/keeper/fire_timers.ts";
import { createKeeperMetrics } from "../../services/keeper/metrics.ts";
import { Background } from "../harness/background.ts";
import { eventually } from "../harness/eventually.ts";
import { insertAccount, insertCourier, insertOrder, insertRegion } from "../harness/fixtures.ts";
import { withStores } from "../harness/with_stores.ts";

const ORDERS = 20;
const KEEPERS = 2;

/** A keeper's timers with metrics of their own. */
function keeper(sql: Sql, signal = new AbortController().signal) {
  const metrics = createKeeperMetrics(new Registry());
  let notified = 0;
  const options: FireOptions = {
    sql,
    log: silentLog,
    metrics,
    signal,
    wake: new Wake(),
    notifyOutbox: () => void notified++,
  };
  const count = async (metric: "timersFired" | "timersFailed") =>
    (await metrics[metric].get()).values.reduce((sum, { value }) => sum + value, 0);
  return { options, count, notified: () => notified };
}

async function placeOrders(sql: Sql, count: number): Promise<string[]> {
  await insertRegion(sql);
  const customerId = await insertAccount(sql, "customer");
  const ids: string[] = [];
  for (let index = 0; index < count; index++) ids.push(await insertOrder(sql, { customerId }));
  return ids;
}

async function attentionEvents(sql: Sql): Promise<string[]> {
  const rows = await sql<{ key: string }[]>`
    select key from outbox_events where type = 'order.attention_raised' order by key`;
  return rows.map((row) => row.key);
}

async function timersOf(sql: Sql, kind: string): Promise<number> {
  return (await sql`select 1 from timers where kind = ${kind}`).length;
}

async function makeDue(sql: Sql, kind: string, agoMs: number): Promise<void> {
  await sql`
    update timers set due_at = clock_timestamp() - ${agoMs} * interval '1 millisecond'
    where kind = ${kind}`;
}

Deno.test(`fireTimers() in ${KEEPERS} keepers at once fires each due timer once`, async () => {
  await withStores(async ({ sql }) => {
    const orderIds = await placeOrders(sql, ORDERS);
    await makeDue(sql, "order.attention", 1_000);
    await using background = new Background();
    const keepers = Array.from({ length: KEEPERS }, () => keeper(sql, background.signal));
    for (const { options } of keepers) background.run(() => fireTimers(options));
    await eventually("all have fired", async () => await timersOf(sql, "order.attention") === 0);
    await background.stop();
    assert.deepEqual(await attentionEvents(sql), [...orderIds].sort());
    const fired = await Promise.all(keepers.map(({ count }) => count("timersFired")));
    assert.equal(fired.reduce((sum, value) => sum + value, 0), ORDERS);
    assert.equal(keepers.reduce((sum, { notified }) => sum + notified(), 0), ORDERS);
    assert.equal(await timersOf(sql, "order.expire"), ORDERS, "what is not due stays");
  });
});

Deno.test("fireOne() does nothing before a timer is due", async () => {
  await withStores(async ({ sql }) => {
    await placeOrders(sql, 1);
    assert.equal(await fireOne(keeper(sql).options), false);
    assert.deepEqual(await attentionEvents(sql), []);
  });
});

Deno.test("fireTimers() fires at once what fell due while no keeper ran", async () => {
  await withStores(async ({ sql }) => {
    const [orderId] = await placeOrders(sql, 1);
    await makeDue(sql, "order.attention", 60 * 60_000);
    await makeDue(sql, "order.expire", 60_000);
    await using background = new Background();
    background.run(() => fireTimers(keeper(sql, background.signal).options));
    await eventually("both have fired", async () => (await sql`select 1 from timers`).length === 0);
    const [order] = await sql`select status, attention from orders where id = ${orderId ?? ""}`;
    assert.deepEqual(order, { status: "expired", attention: null });
    const types = await sql<{ type: string }[]>`select type from outbox_events order by id`;
    assert.deepEqual(types.map((row) => row.type), [
      "order.placed",
      "order.attention_raised",
      "order.status_changed",
      "order.attention_cleared",
    ]);
  });
});

Deno.test("fireTimers() sees a timer that another process schedules while it sleeps", async () => {
  await withStores(async ({ sql }) => {
    const [orderId = ""] = await placeOrders(sql, 1);
    await sql`delete from timers`;
    await using background = new Background();
    background.run(() => fireTimers(keeper(sql, background.signal).options));
    const timer: Timer = { kind: "order.attention", key: orderId, version: 7, delayMs: 200 };
    await sql.begin((tx) => Promise.resolve(scheduleTimer(tx, timer)));
    await sql.begin((tx) => Promise.resolve(scheduleTimer(tx, timer)));
    assert.equal(await timersOf(sql, "order.attention"), 1, "a repeat is the same timer");
    const [row] = await sql<{ dueAt: Date }[]>`select due_at from timers`;
    await eventually("it has fired", async () => (await sql`select 1 from timers`).length === 0);
    const [event] = await sql<{ lateMs: number }[]>`
      select (extract(epoch from occurred_at - ${row?.dueAt ?? null}::timestamptz) * 1000)::float8
        as late_ms
      from outbox_events where type = 'order.attention_raised'`;
    assert.ok(event !== undefined && event.lateMs >= 0, `fired ${event?.lateMs} ms after due`);
    console.log(`fired ${Math.round(event.lateMs)} ms after it was due`);
  });
});

Deno.test("fireTimers() puts off a timer whose handler fails, and fires the others", async () => {
  await withStores(async ({ sql }) => {
    const [orderId = ""] = await placeOrders(sql, 1);
    // A kind that this version has no handler for, due before everything else.
    await sql`
      insert into timers (kind, key, version, due_at)
      values ('order.levitate', ${uuidv7()}, 1, clock_timestamp() - interval '1 day')`;
    await makeDue(sql, "order.attention", 1_000);
    await using background = new Background();
    const { options, count } = keeper(sql, background.signal);
    background.run(() => fireTimers(options));
    await eventually("the other has fired", async () => (await attentionEvents(sql)).length > 0);
    await background.stop();
    assert.deepEqual(await attentionEvents(sql), [orderId]);
    assert.equal(await count("timersFailed"), 1);
    assert.equal(await count("timersFired"), 1);
    const [put] = await sql<{ waitMs: number }[]>`
      select (extract(epoch from due_at - clock_timestamp()) * 1000)::float8 as wait_ms
      from timers where kind = 'order.levitate'`;
    assert.ok(put !== undefined && put.waitMs > 3_000 && put.waitMs <= 5_000, `${put?.waitMs} ms`);
  });
});

Deno.test("fireOne() of an offer that was accepted meanwhile changes nothing", async () => {
  await withStores(async ({ sql }) => {
    const [orderId = ""] = await placeOrders(sql, 1);
    const courierId = await insertCourier(sql);
    const lease = await takeLease(sql, "matcher", "test");
    assert.ok(lease);
    const made = await makeOffer(sql, lease, {
      orderId,
      courierId,
      courierVersion: 1,
      distanceToPickupM: 10,
      offerTtlMs: 30_000,
      policy: "nearest",
      policyVersion: 1,
      explanation: {},
    });
    assert.ok(made.ok);
    assert.ok((await acceptOffer(sql, { offerId: made.offerId, courierId })).ok);
    const events = (await sql`select 1 from outbox_events`).length;
    await makeDue(sql, "offer.expire", 0);
    assert.equal(await fireOne(keeper(sql).options), true);
    assert.equal((await sql`select 1 from outbox_events`).length, events);
    const [offer] = await sql`select status from offers where id = ${made.offerId}`;
    assert.deepEqual(offer, { status: "accepted" });
  });
});
