/**
 * Random work of several couriers on several orders, alone and at the same moment, with every rule
 * of the database checked after each step; and proof that the rules can be broken at all.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Actor } from "shared/orders/actor.ts";
import { goOffline, goOnline, markSilent, pauseShift } from "shared/orders/courier_shift.ts";
import { expireOrder, raiseUnassigned } from "shared/orders/deadline_actions.ts";
import { nextState, ORDER_ACTIONS, type OrderAction } from "shared/orders/lifecycle.ts";
import { acceptOffer, expireOffer, makeOffer, rejectOffer } from "shared/orders/offers.ts";
import { transitionOrder } from "shared/orders/transition_order.ts";
import type { Sql } from "shared/sql/connect.ts";
import {
  assignedCourier,
  carryingCourier,
  createDispatchWorld,
  type DispatchWorld,
  newOrder,
  offer,
  planOf,
} from "../harness/dispatch_world.ts";
import { insertCourier } from "../harness/fixtures.ts";
import { assignmentsOf, orderFacts } from "../harness/order_facts.ts";
import { brokenRules } from "../harness/order_rules.ts";
import { openTestStores, type TestStores } from "../harness/stores.ts";

const SEED = 20_261_120;
const RUNS = 30;
const STEPS = 20;
const TIME_LIMIT_MS = 180_000;
/** Capacities of the couriers of a run. */
const COURIERS = [1, 1, 3];
const ORDERS = ["confirmed", "confirmed", "placed", "parcel", "parcel"] as const;

let stores: TestStores;
let world: DispatchWorld;

Deno.test.beforeAll(async () => {
  stores = await openTestStores();
  world = await createDispatchWorld(stores.sql);
});
Deno.test.afterAll(() => stores.close());

type Command =
  | { readonly kind: "offer" | "assign"; readonly order: number; readonly courier: number }
  | { readonly kind: "accept" | "reject" | "expire_offer"; readonly offer: number }
  | { readonly kind: "move"; readonly order: number; readonly action: OrderAction }
  | { readonly kind: "advance"; readonly order: number }
  | {
    readonly kind: "online" | "pause" | "offline" | "silent";
    readonly courier: number;
  }
  | { readonly kind: "attention" | "expire_order"; readonly order: number };

const order = fc.nat(ORDERS.length - 1);
const courier = fc.nat(COURIERS.length - 1);
/** Counted back from the newest offer, so that most answers meet one that is still open. */
const recentOffer = fc.nat(3);
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constantFrom("offer" as const, "assign" as const),
      order,
      courier,
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("accept" as const), offer: recentOffer }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom("reject" as const, "expire_offer" as const),
      offer: recentOffer,
    }),
  },
  {
    weight: 24,
    arbitrary: fc.record({ kind: fc.constant("advance" as const), order }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("move" as const),
      order,
      action: fc.constantFrom(...ORDER_ACTIONS),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("online" as const), courier }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom("pause" as const, "offline" as const, "silent" as const),
      courier,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom("attention" as const, "expire_order" as const),
      order,
    }),
  },
);
/** What happens at one moment: mostly one command, sometimes three. */
const moment = fc.array(command, { minLength: 1, maxLength: 3 });

/** The action of each state on the way to the door. */
const NATURAL: readonly OrderAction[] = [
  "confirm",
  "prepare",
  "make_ready",
  "pick_up",
  "depart",
  "deliver",
  "start_return",
  "complete_return",
];

interface Run {
  readonly orders: readonly string[];
  readonly couriers: readonly string[];
  readonly offers: { offerId: string; courierId: string }[];
  /** How often each command changed something; shows that the run was not all refusals. */
  readonly done: Map<string, number>;
}

async function startRun(done: Map<string, number>): Promise<Run> {
  const { sql } = stores;
  await sql`truncate offers, assignments, decisions, timers, outbox, orders, couriers cascade`;
  const couriers: string[] = [];
  for (const capacity of COURIERS) couriers.push(await insertCourier(sql, { capacity }));
  const orders: string[] = [];
  for (const kind of ORDERS) {
    orders.push(await newOrder(world, kind === "parcel" ? { kind } : { status: kind }));
  }
  return { orders, couriers, offers: [], done };
}

/** Runs one command; a refusal is as good an answer as any, an error is not. */
async function run(state: Run, wanted: Command): Promise<boolean> {
  const { sql } = stores;
  switch (wanted.kind) {
    case "assign":
      if (!await ask(state, at(state.orders, wanted.order), at(state.couriers, wanted.courier))) {
        return false;
      }
      return await answer("accept", state.offers.at(-1));
    case "offer":
      return await ask(state, at(state.orders, wanted.order), at(state.couriers, wanted.courier));
    case "accept":
    case "reject":
    case "expire_offer":
      return await answer(wanted.kind, state.offers.at(-1 - wanted.offer));
    case "move":
      return await move(at(state.orders, wanted.order), wanted.action, state.done);
    case "advance": {
      const { status } = await orderFacts(sql, at(state.orders, wanted.order));
      const kind = ORDERS[wanted.order] === "parcel" ? "parcel" : "marketplace";
      const action = NATURAL.find((step) => nextState(kind, status, step) !== "reject");
      return action !== undefined && await move(at(state.orders, wanted.order), action, state.done);
    }
    case "online":
      return (await goOnline(sql, at(state.couriers, wanted.courier))).ok;
    case "pause":
      return (await pauseShift(sql, at(state.couriers, wanted.courier))).ok;
    case "offline":
      return (await goOffline(sql, at(state.couriers, wanted.courier))).ok;
    case "silent":
      return await markSilent(sql, at(state.couriers, wanted.courier));
    case "attention":
      await sql.begin((tx) => raiseUnassigned(tx, at(state.orders, wanted.order)));
      return true;
    case "expire_order":
      await sql.begin((tx) => expireOrder(tx, at(state.orders, wanted.order)));
      return true;
  }
}

function at(ids: readonly string[], index: number): string {
  const id = ids[index];
  if (id === undefined) throw new Error(`there is no number ${index}`);
  return id;
}

async function ask(state: Run, orderId: string, courierId: string): Promise<boolean> {
  const plan = await planOf(stores.sql, orderId, courierId);
  const made = await makeOffer(stores.sql, world.lease, plan);
  if (made.ok) state.offers.push({ offerId: made.offerId, courierId });
  return made.ok;
}

async function answer(
  kind: "accept" | "reject" | "expire_offer",
  question: { offerId: string; courierId: string } | undefined,
): Promise<boolean> {
  if (question === undefined) return false;
  const { sql } = stores;
  if (kind === "accept") return (await acceptOffer(sql, question)).ok;
  if (kind === "reject") return (await rejectOffer(sql, question, null)).ok;
  await sql.begin((tx) => expireOffer(tx, question.offerId));
  return true;
}

/** Moves an order as the actor who may, so that most moves are refused for the state alone. */
async function move(
  orderId: string,
  action: OrderAction,
  done: Map<string, number>,
): Promise<boolean> {
  const carrier = (await assignmentsOf(stores.sql, orderId)).find(({ isActive }) => isActive);
  const actors: Record<OrderAction, Actor["role"]> = {
    confirm: "merchant",
    prepare: "merchant",
    make_ready: "merchant",
    pick_up: "courier",
    depart: "courier",
    deliver: "courier",
    fail_attempt: "courier",
    start_return: "courier",
    complete_return: "courier",
    cancel: "customer",
    fail: "dispatcher",
    expire: "system",
  };
  const accountId = actors[action] === "courier"
    ? carrier?.courierId ?? world.customerId
    : world.customerId;
  const actor = {
    role: actors[action],
    accountId,
    merchantIds: [world.merchantId],
  } as Actor;
  const { ok } = await transitionOrder(stores.sql, { orderId, action, actor });
  if (ok) count(done, action);
  return ok;
}

function count(done: Map<string, number>, what: string): void {
  done.set(what, (done.get(what) ?? 0) + 1);
}

/** Takes an event out of what the outbox has of an order. */
async function dropEvent(sql: Sql, orderId: string, type: string): Promise<void> {
  await sql`
    update outbox set events = array_to_string(array(
      select line from string_to_table(events, E'\\n') line where line::json ->> 'type' <> ${type}
    ), E'\\n')
    where key = ${orderId}`;
}

Deno.test(`no sequence of commands breaks a rule, whatever happens at the same moment (seed ${SEED})`, async () => {
  const done = new Map<string, number>();
  const property = fc.asyncProperty(
    fc.array(moment, { minLength: STEPS, maxLength: STEPS }),
    async (moments) => {
      const state = await startRun(done);
      for (const commands of moments) {
        const results = await Promise.all(commands.map((wanted) => run(state, wanted)));
        for (const [index, wanted] of commands.entries()) {
          if (results[index]) count(done, wanted.kind);
        }
        assert.deepEqual(await brokenRules(stores.sql), []);
      }
    },
  );
  try {
    await fc.assert(property, {
      seed: SEED,
      numRuns: RUNS,
      interruptAfterTimeLimit: TIME_LIMIT_MS,
      markInterruptAsFailure: true,
    });
  } finally {
    console.log(`seed ${SEED}, done: ${[...done].sort().map((pair) => pair.join(" ")).join(", ")}`);
  }
});

Deno.test("brokenRules() finds each kind of broken rule, so its silence means something", async () => {
  const { sql } = stores;
  await startRun(new Map());
  const { courierId, orderId } = await assignedCourier(world);
  const asked = await newOrder(world);
  const askedCourier = await insertCourier(sql);
  const offerId = await offer(world, asked, askedCourier);
  const carried = await carryingCourier(world);
  assert.deepEqual(await brokenRules(sql), []);
  const sabotage: readonly [RegExp, (tx: typeof sql) => Promise<unknown>][] = [
    [
      /busy with 0 active orders on the row and 1 in truth/,
      (tx) => tx`update couriers set active_assignments = 0 where id = ${courierId}`,
    ],
    [
      /available with 1 active orders/,
      (tx) => tx`update couriers set status = 'available' where id = ${courierId}`,
    ],
    [
      /is offline and has order .*, which is confirmed/,
      (tx) => tx`update couriers set status = 'offline' where id = ${courierId}`,
    ],
    [
      /is paused and has offer/,
      (tx) => tx`update couriers set status = 'paused' where id = ${askedCourier}`,
    ],
    [
      /pending although order .* is cancelled/,
      (tx) => tx`update orders set status = 'cancelled' where id = ${asked}`,
    ],
    [
      /counts 2 offers, there are 1/,
      (tx) => tx`update orders set offers_made = 2 where id = ${asked}`,
    ],
    [
      /is rejected and has events offer\.made$/,
      (tx) => tx`update offers set status = 'rejected', closed_at = now() where id = ${offerId}`,
    ],
    [
      /is accepted and has 0 assignments/,
      (tx) => tx`update offers set status = 'accepted', closed_at = now() where id = ${offerId}`,
    ],
    [
      /is delivered and has an active assignment/,
      (tx) => tx`update orders set status = 'delivered' where id = ${orderId}`,
    ],
    [
      /is picked_up and nobody carries it/,
      (tx) => tx`delete from assignments where order_id = ${carried.orderId}`,
    ],
    [
      /assignment .* has events none/,
      (tx) => dropEvent(tx, orderId, "assignment.created"),
    ],
    [
      /is at version 4 and its events are 1 2 3$/,
      (tx) => tx`update orders set version = 4 where id = ${orderId}`,
    ],
    [
      /its events are 1 3$/,
      (tx) => tx`delete from outbox where key = ${orderId} and aggregate_version = 2`,
    ],
    [
      /is not in the history as it is in the outbox/,
      (tx) => tx`delete from order_history where order_id = ${orderId} and order_version = 2`,
    ],
    [
      /was changed by courier without an account/,
      (tx) =>
        tx`update order_history set actor_id = null
          where order_id = ${orderId} and actor_role = 'courier'`,
    ],
    [
      /of test mode earned courier/,
      (tx) =>
        tx`with test as (update orders set mode = 'test' where id = ${asked} returning id)
          insert into courier_earnings (id, courier_id, region, order_id, order_version, kind,
            amount_minor, currency)
          select id, ${courierId}, 'testville', id, 1, 'tip', 5, 'SEK' from test`,
    ],
    [
      /has 1 events in the outbox and 2 in the history/,
      (tx) => dropEvent(tx, orderId, "offer.accepted"),
    ],
  ];
  class Undo extends Error {}
  for (const [expected, work] of sabotage) {
    await assert.rejects(
      sql.begin(async (tx) => {
        const inside = tx as unknown as typeof sql;
        await work(inside);
        const broken = await brokenRules(inside);
        assert.ok(broken.some((rule) => expected.test(rule)), `${expected}: ${broken.join("; ")}`);
        throw new Undo();
      }),
      Undo,
    );
  }
  assert.deepEqual(await brokenRules(sql), []);
});

Deno.test("the database itself refuses a second pending offer and a second active assignment", async () => {
  const { sql } = stores;
  await startRun(new Map());
  const { orderId, courierId } = await assignedCourier(world);
  const asked = await newOrder(world);
  const askedCourier = await insertCourier(sql);
  await offer(world, asked, askedCourier);
  const free = await insertCourier(sql);
  const insertOffer = (ofOrder: string, to: string) =>
    sql`insert into offers (id, order_id, courier_id, status, attempt, distance_to_pickup_m, expires_at)
      values (${crypto.randomUUID()}, ${ofOrder}, ${to}, 'pending', 9, 0, now())`;
  await assert.rejects(insertOffer(asked, free), /offers_one_pending_per_order/);
  await assert.rejects(insertOffer(orderId, askedCourier), /offers_one_pending_per_courier/);
  await assert.rejects(
    sql`insert into assignments (id, order_id, courier_id)
      values (${crypto.randomUUID()}, ${orderId}, ${free})`,
    /assignments_one_active_per_order/,
  );
  await assert.rejects(
    sql`update couriers set active_assignments = 2 where id = ${courierId}`,
    /couriers_check/,
  );
  await assert.rejects(
    sql`update couriers set active_assignments = -1 where id = ${courierId}`,
    /couriers_check/,
  );
});
