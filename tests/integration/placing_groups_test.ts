/** Orders that are placed together: what is one's own stays its own, at one gateway and at two. */
import assert from "node:assert/strict";
import type { Tx } from "shared/sql/connect.ts";
import {
  type Answer,
  startGateway,
  TEST_LIMITS,
  type TestGateway,
} from "../harness/gateway_app.ts";
import {
  closeGatewayWorld,
  createGatewayWorld,
  type GatewayWorld,
  parcelOrder,
  type Person,
  soupOrder,
} from "../harness/gateway_world.ts";
import { brokenRules } from "../harness/order_rules.ts";
import { sqlWithLateAnswers } from "../harness/stand_ins.ts";
import { openTestStores } from "../harness/stores.ts";

const MANY = 40;
const ONE_ORDER = { ...TEST_LIMITS, orders: { ...TEST_LIMITS.orders, max: 1 } };

let world: GatewayWorld;

Deno.test.beforeAll(async () => {
  world = await createGatewayWorld(await openTestStores());
});
Deno.test.afterAll(() => closeGatewayWorld(world));

/** The requests of a customer at some gateway. */
async function post(
  gateway: TestGateway,
  by: Person,
  options: { key?: string; body?: unknown; allowed?: number } = {},
): Promise<Answer> {
  const { key, body = parcelOrder(), allowed } = options;
  return await gateway.call("POST", "/api/v1/orders", {
    token: by.token,
    body,
    headers: key === undefined ? {} : { "idempotency-key": key },
    ...(allowed === undefined ? {} : { allowed }),
  });
}

async function customers(count: number): Promise<Person[]> {
  return await Promise.all(Array.from({ length: count }, () => world.gateway.signIn("customer")));
}

async function countOrders(by: Person): Promise<number> {
  const [row] = await world.stores.sql<{ orders: number }[]>`
    select count(*)::int as orders from orders where customer_id = ${by.accountId}`;
  return row?.orders ?? 0;
}

Deno.test("orders placed at once share transactions, and each has its own order, events and timers", async () => {
  const { sql } = world.stores;
  const people = await customers(MANY);
  const bodies = people.map((_, n) =>
    n % 2 === 0
      ? soupOrder(world, { note: `n ${n}`, tipMinor: n, externalId: `group-${n}` })
      : parcelOrder({ note: `n ${n}` })
  );
  const answers = await Promise.all(
    people.map((by, n) => post(world.gateway, by, { key: `group-${n}`, body: bodies[n] })),
  );
  const ids = answers.map(({ json }) => String(json?.["id"]));
  for (const [n, answer] of answers.entries()) {
    assert.equal(answer.status, 201, answer.text);
    assert.equal(answer.json?.["note"], `n ${n}`);
    const read = await world.gateway.call("GET", `/api/v1/orders/${ids[n]}`, people[n] ?? {});
    const { tracking: _, ...shown } = JSON.parse(read.text);
    const { tracking: __, ...given } = JSON.parse(answer.text);
    assert.deepEqual(shown, given);
  }
  const [row] = await sql<{ transactions: number; events: number; timers: number }[]>`
    select count(distinct o.xmin::text)::int as transactions,
      (select count(*)::int from outbox_events where key = any(${ids}::uuid[])
        and type = 'order.placed' and trace is not null) as events,
      (select count(*)::int from timers where key = any(${ids}::uuid[])) as timers
    from orders o where id = any(${ids}::uuid[])`;
  assert.deepEqual([row?.events, row?.timers], [MANY, 2 * MANY]);
  assert.ok((row?.transactions ?? MANY) < MANY / 2, `${row?.transactions} transactions`);
  console.log(`${MANY} orders in ${row?.transactions} transactions`);
});

Deno.test("an order that cannot be written fails alone, and gives its slot back", async () => {
  const { sql } = world.stores;
  const gateway = startGateway(world.stores, {
    limits: { ...world.gateway.deps.limits, policies: ONE_ORDER },
  });
  const people = await customers(MANY);
  const [poisoned] = people;
  assert.ok(poisoned !== undefined);
  await sql`alter table orders add constraint no_poison check (note <> 'poison') not valid`;
  try {
    const answers = await Promise.all(
      people.map((by, n) =>
        post(gateway, by, {
          key: "with poison",
          body: parcelOrder({ note: n === 0 ? "poison" : "good" }),
          ...(n === 0 ? { allowed: 500 } : {}),
        })
      ),
    );
    assert.deepEqual(answers.map(({ status }) => status), [500, ...Array(MANY - 1).fill(201)]);
  } finally {
    await sql`alter table orders drop constraint no_poison`;
  }
  const again = await post(gateway, poisoned, {
    key: "with poison",
    body: parcelOrder({ note: "poison" }),
  });
  assert.equal(again.status, 201, "an error is no answer of its key");
  for (const by of people) {
    assert.equal((await post(gateway, by)).json?.["code"], "order.limit_reached");
    assert.equal(await countOrders(by), 1);
  }
  gateway.close();
});

Deno.test("where the answer to a group's commit is lost, each key resolves its order, and slots are kept", async () => {
  const { sql } = world.stores;
  const lose = async <T>(work: (tx: Tx) => Promise<T>): Promise<T> => {
    await sql.begin(work);
    throw new Error("Connection terminated unexpectedly");
  };
  const losing = new Proxy(sql, {
    get: (target, name) => name === "begin" ? lose : Reflect.get(target, name),
  });
  const limits = { ...world.gateway.deps.limits, policies: ONE_ORDER };
  const away = startGateway(world.stores, { sql: losing, limits });
  const back = startGateway(world.stores, { limits });
  const people = await customers(MANY);
  const send = (gateway: TestGateway, by: Person) =>
    post(gateway, by, { key: "unknown", allowed: 503 });
  const lost = await Promise.all(people.map((by) => send(away, by)));
  assert.deepEqual(lost.map(({ status }) => status), Array(MANY).fill(503));
  for (const by of people) {
    const answer = await send(back, by);
    assert.equal(answer.status, 201, answer.text);
    assert.equal(answer.headers.get("idempotent-replayed"), "true");
    assert.equal((await post(back, by)).json?.["code"], "order.limit_reached");
    assert.equal(await countOrders(by), 1);
  }
  away.close();
  back.close();
});

Deno.test("equal requests at two gateways at once make one order, by key and by external id", async () => {
  const gateways = [startGateway(world.stores), startGateway(world.stores)];
  for (
    const twin of [
      { key: "two gateways" },
      { body: parcelOrder({ externalId: "two gateways" }) },
    ]
  ) {
    const [by] = await customers(1);
    assert.ok(by !== undefined);
    const answers = await Promise.all(
      Array.from({ length: MANY }, (_, n) => post(gateways[n % 2] ?? world.gateway, by, twin)),
    );
    const placed = answers.filter(({ status }) => status < 300);
    assert.equal(new Set(placed.map(({ json }) => json?.["id"])).size, 1);
    for (const { status, json } of answers) {
      if (status >= 300) assert.equal(json?.["code"], "idempotency.in_progress");
    }
    assert.equal(await countOrders(by), 1);
  }
  for (const gateway of gateways) gateway.close();
});

Deno.test("a twin that was placed between the look-up and the lock is answered, and takes no slot", async () => {
  const { sql } = world.stores;
  const limits = { ...world.gateway.deps.limits, policies: ONE_ORDER };
  for (
    const twin of [
      { key: "in between", matches: /join idempotency stored/ },
      {
        body: parcelOrder({ externalId: "in between" }),
        matches: /join order_external_ids known/,
      },
    ]
  ) {
    const [by] = await customers(1);
    assert.ok(by !== undefined);
    const { matches, ...request } = twin;
    const placed = Promise.withResolvers<void>();
    const looked = Promise.withResolvers<void>();
    const late = sqlWithLateAnswers(sql, matches, () => {
      looked.resolve();
      return placed.promise;
    });
    const slow = startGateway(world.stores, { sql: late, limits });
    const fast = startGateway(world.stores, { limits });
    const second = post(slow, by, request);
    await looked.promise;
    const first = await post(fast, by, request);
    assert.equal(first.status, 201, first.text);
    placed.resolve();
    const answer = await second;
    assert.ok(answer.status < 300, answer.text);
    assert.equal(answer.json?.["id"], first.json?.["id"]);
    assert.equal(answer.headers.get("idempotent-replayed"), "true");
    assert.equal(await countOrders(by), 1);
    slow.close();
    fast.close();
  }
});

Deno.test("after all of it every rule of the database holds", async () => {
  assert.deepEqual(await brokenRules(world.stores.sql), []);
});
