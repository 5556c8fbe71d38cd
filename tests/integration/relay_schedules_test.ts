/**
 * The order of events per order, under schedules in which transactions take their ids early and
 * commit late: what a relay by highest id loses, and a relay by transaction horizon reorders.
 */
import assert from "node:assert/strict";
import { createSeededRandom } from "shared/city/seeded_random.ts";
import type { Relay } from "shared/outbox/relay.ts";
import type { Sql } from "shared/sql/connect.ts";
import { Gate } from "../harness/gate.ts";
import { insertAccount, insertOrder, insertRegion } from "../harness/fixtures.ts";
import {
  changeOrder,
  openRelay,
  readPublished,
  relayAll,
  runsOf,
  versionsByOrder,
} from "../harness/outbox.ts";
import type { TestStores } from "../harness/stores.ts";
import { withStores } from "../harness/with_stores.ts";

const SCHEDULES = 32;
const SEED = 20_261_120;
const ORDERS = 3;
const TRANSACTIONS = 7;

async function placeOrders(sql: Sql, customerId: string, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let index = 0; index < count; index++) ids.push(await insertOrder(sql, { customerId }));
  return ids.sort();
}

/** A transaction that goes on step by step as the test says. */
class SteppedTransaction {
  readonly #gates: Gate[];
  readonly done: Promise<void>;
  #next = 0;

  /** Its steps: take a transaction id, change each order, commit. */
  constructor(sql: Sql, orderIds: readonly string[]) {
    this.#gates = Array.from({ length: orderIds.length + 2 }, () => new Gate());
    this.done = this.#run(sql, orderIds);
  }

  get steps(): number {
    return this.#gates.length;
  }

  /** Lets it take its next step; does not wait, because a row lock may hold it up. */
  release(): void {
    this.#gates[this.#next++]?.open();
  }

  async #run(sql: Sql, orderIds: readonly string[]): Promise<void> {
    await sql.begin(async (tx) => {
      await this.#gates[0]?.passed();
      await tx`select pg_current_xact_id()`;
      for (const [index, orderId] of orderIds.entries()) {
        await this.#gates[index + 1]?.passed();
        await changeOrder(tx, orderId);
      }
      await this.#gates.at(-1)?.passed();
    });
  }
}

async function assertOrdered(
  stores: TestStores,
  orderIds: readonly string[],
  what: string,
): Promise<void> {
  const events = await readPublished(stores.redis, stores);
  const published = versionsByOrder(events);
  const rows = await stores.sql<{ id: string; version: number }[]>`
    select id, version from orders where id = any(${[...orderIds]}::uuid[])`;
  for (const { id, version } of rows) {
    const expected = version === 1 ? "1" : `1-${version}`;
    assert.equal(runsOf(published.get(id) ?? []), expected, `${what}: order ${id}`);
  }
}

for (const isRelayBetween of [false, true]) {
  const when = isRelayBetween ? "between the commits too" : "after the commits";
  Deno.test(`Relay.step() ${when} keeps an order's versions when T2 took its id before T1`, async () => {
    await withStores(async (stores) => {
      await insertRegion(stores.sql);
      const customerId = await insertAccount(stores.sql, "customer");
      const [a = "", b = ""] = await placeOrders(stores.sql, customerId, 2);
      const relay = await openRelay(stores);
      await relayAll(relay);
      const early = new Gate();
      const goOn = new Gate();
      const hold = new Gate();
      const t2 = stores.sql.begin(async (tx) => {
        await tx`select pg_current_xact_id()`;
        early.open();
        await goOn.passed();
        return await changeOrder(tx, a);
      });
      await early.passed();
      const changed = new Gate();
      // T3 has row ids below those of T2's change and commits after everybody.
      const t3 = stores.sql.begin(async (tx) => {
        await changeOrder(tx, b);
        changed.open();
        await hold.passed();
      });
      await changed.passed();
      assert.equal(await stores.sql.begin((tx) => changeOrder(tx, a)), 2);
      if (isRelayBetween) await relayAll(relay);
      goOn.open();
      assert.equal(await t2, 3);
      await relayAll(relay);
      await assertOrdered(stores, [a], "before T3");
      hold.open();
      await t3;
      await relayAll(relay);
      await assertOrdered(stores, [a, b], "at the end");
    });
  });
}

/** Every step of every transaction and some of the relay, in an order that follows from the seed. */
function drawSchedule(transactions: readonly SteppedTransaction[], random: () => number) {
  const turns = transactions.flatMap((transaction) =>
    Array.from({ length: transaction.steps }, () => transaction)
  );
  const relayTurns: ("relay" | SteppedTransaction)[] = turns.map(() => "relay");
  const schedule = [...turns, ...relayTurns.slice(0, Math.ceil(turns.length / 2))];
  for (let last = schedule.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [schedule[last], schedule[other]] = [schedule[other] ?? "relay", schedule[last] ?? "relay"];
  }
  return schedule;
}

async function runSchedule(
  stores: TestStores,
  relay: Relay,
  customerId: string,
  seed: number,
): Promise<string[]> {
  const random = createSeededRandom(seed);
  const orderIds = await placeOrders(stores.sql, customerId, ORDERS);
  const transactions = Array.from({ length: TRANSACTIONS }, () => {
    // One or two orders, in id order as the product locks them.
    const first = Math.floor(random() * ORDERS);
    const second = first + 1 + Math.floor(random() * ORDERS);
    return new SteppedTransaction(stores.sql, [first, second].flatMap((at) => orderIds[at] ?? []));
  });
  for (const turn of drawSchedule(transactions, random)) {
    if (turn === "relay") await relay.step();
    else turn.release();
  }
  await Promise.all(transactions.map((transaction) => transaction.done));
  await relayAll(relay);
  return orderIds;
}

Deno.test(`Relay.step() publishes versions in order, none lost and none twice, in ${SCHEDULES} random schedules`, async () => {
  console.log(`seed ${SEED}`);
  await withStores(async (stores) => {
    await insertRegion(stores.sql);
    const customerId = await insertAccount(stores.sql, "customer");
    const relay = await openRelay(stores);
    for (let schedule = 0; schedule < SCHEDULES; schedule++) {
      const seed = SEED + schedule;
      const orderIds = await runSchedule(stores, relay, customerId, seed);
      await assertOrdered(stores, orderIds, `seed ${seed}`);
    }
    const events = await readPublished(stores.redis, stores);
    const [row] = await stores.sql<
      { rows: number }[]
    >`select count(*)::int as rows from outbox_events`;
    assert.equal(events.length, row?.rows);
    assert.equal(new Set(events.map((event) => event.id)).size, events.length);
  });
});
