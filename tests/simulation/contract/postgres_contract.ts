/**
 * What the simulation relies on in Postgres, as tests that run on the double and on the real server.
 * A claim that one of them does not hold is a fault of the double, or of us about Postgres.
 */
import assert from "node:assert/strict";
import { serverError, type Sql, type Tx } from "shared/sql/connect.ts";
import { eventually } from "../../harness/eventually.ts";
import { Gate } from "../../harness/gate.ts";
import type { ContractStores } from "./stores.ts";

type Run = (name: string, use: (stores: ContractStores) => Promise<void>) => void;

async function addLease(sql: Sql, name: string, fence: number): Promise<void> {
  await sql`
    insert into leases (name, owner, fence, expires_at)
    values (${name}, 'nobody', ${fence}, clock_timestamp())`;
}

async function fenceOf(sql: Sql | Tx, name: string): Promise<number | undefined> {
  const [row] = await sql<{ fence: string }[]>`select fence from leases where name = ${name}`;
  return row === undefined ? undefined : Number(row.fence);
}

/** A transaction that does something, then waits to be told how to end. */
function held(sql: Sql, work: (tx: Tx) => Promise<unknown>) {
  const begun = new Gate();
  const end = new Gate();
  let isToFail = false;
  const done = sql.begin(async (tx) => {
    await work(tx);
    begun.open();
    await end.passed();
    if (isToFail) throw new Error("rolled back on purpose");
  });
  return {
    begun: begun.passed(),
    commit: async () => {
      end.open();
      await done;
    },
    rollBack: async () => {
      isToFail = true;
      end.open();
      await assert.rejects(done, /on purpose/);
    },
  };
}

async function untilWaiting({ isWaitingForLock }: ContractStores): Promise<void> {
  await eventually("a statement waits for a lock", isWaitingForLock);
}

const codeOf = (error: unknown) => serverError(error)?.code;

export function holdPostgresContract(test: Run): void {
  holdVisibility(test);
  holdLocks(test);
  holdUniqueRules(test);
}

function holdVisibility(test: Run): void {
  test("a change is seen by its own transaction at once and by others after the commit", async ({ sql }) => {
    await addLease(sql, "a", 1);
    const change = held(sql, async (tx) => {
      await tx`update leases set fence = 2 where name = 'a'`;
      assert.equal(await fenceOf(tx, "a"), 2);
    });
    await change.begun;
    assert.equal(await fenceOf(sql, "a"), 1);
    await change.commit();
    assert.equal(await fenceOf(sql, "a"), 2);
  });

  test("each statement of a transaction sees what was committed before it", async ({ sql }) => {
    await addLease(sql, "a", 1);
    await sql.begin(async (tx) => {
      assert.equal(await fenceOf(tx, "a"), 1);
      await sql`update leases set fence = 5 where name = 'a'`;
      assert.equal(await fenceOf(tx, "a"), 5);
    });
  });

  test("a rolled back transaction leaves nothing but a gap in the identities", async ({ sql }) => {
    const add = (tx: Sql | Tx, version: number) =>
      tx<{ id: string }[]>`
        insert into timers (kind, key, version, due_at)
        values ('offer.expire', '00000000-0000-7000-8000-000000000001', ${version},
          clock_timestamp()) returning id`;
    const [first] = await add(sql, 1);
    const lost = held(sql, (tx) => add(tx, 2));
    await lost.begun;
    const [third] = await add(sql, 3);
    await lost.rollBack();
    const rows = await sql<{ id: string }[]>`select id from timers order by id`;
    assert.deepEqual(rows.map(({ id }) => id), [first?.id, third?.id]);
    assert.equal(Number(third?.id) - Number(first?.id), 2);
  });

  test("ids are given out before the commit, so a later commit may have the lower one", async ({ sql }) => {
    const add = (tx: Sql | Tx, version: number) =>
      tx`insert into timers (kind, key, version, due_at)
        values ('offer.expire', '00000000-0000-7000-8000-000000000001', ${version},
          clock_timestamp())`;
    const slow = held(sql, (tx) => add(tx, 1));
    await slow.begun;
    await add(sql, 2);
    const seen = async () =>
      (await sql<{ version: number }[]>`select version from timers order by id`)
        .map(({ version }) => version);
    assert.deepEqual(await seen(), [2]);
    await slow.commit();
    assert.deepEqual(await seen(), [1, 2]);
  });

  test("a failed statement fails its transaction, and its commit rolls back", async ({ sql }) => {
    await addLease(sql, "a", 1);
    const codes: (string | undefined)[] = [];
    await assert.rejects(
      sql.begin(async (tx) => {
        await tx`update leases set fence = 9 where name = 'a'`;
        await tx`insert into leases (name, owner, fence, expires_at)
          values ('a', 'twin', 1, clock_timestamp())`.catch((error) => codes.push(codeOf(error)));
        await fenceOf(tx, "a").catch((error) => codes.push(codeOf(error)));
      }),
    );
    assert.deepEqual(codes, ["23505", "25P02"]);
    assert.equal(await fenceOf(sql, "a"), 1);
  });

  test("values come back as the driver gives them", async ({ sql }) => {
    const document = { a: [1, "two", null], b: { c: true } };
    const [row] = await sql`
      select 7::bigint as big_number, 7::int as number, 1.5::float8 as part,
        '2026-01-02T03:04:05Z'::timestamptz as at, ${sql.json(document)}::jsonb as document,
        null as nothing, 'x' || 'y' as text, true as yes, array['a', 'b']::text[] as list`;
    assert.deepEqual(row, {
      bigNumber: "7",
      number: 7,
      part: 1.5,
      at: new Date("2026-01-02T03:04:05Z"),
      document,
      nothing: null,
      text: "xy",
      yes: true,
      list: ["a", "b"],
    });
  });

  test("null is unknown: it equals nothing, and conditions on it do not hold", async ({ sql }) => {
    const [row] = await sql`
      select null = null as equal, null is not distinct from null as same, null in (1, 2) as inside,
        (null and false) as both, (null or true) as either, coalesce(null, 3) as first,
        case when null then 1 else 2 end as chosen, 1 = any(array[2, 1]) as found`;
    assert.deepEqual(row, {
      equal: null,
      same: true,
      inside: null,
      both: false,
      either: true,
      first: 3,
      chosen: 2,
      found: true,
    });
  });
}

function holdLocks(test: Run): void {
  test("an update that waited works on the row as it is then", async (stores) => {
    const { sql } = stores;
    await addLease(sql, "a", 1);
    const first = held(sql, (tx) => tx`update leases set fence = 4 where name = 'a'`);
    await first.begun;
    const second = sql`update leases set fence = fence + 10 where name = 'a' and fence < 5`;
    const waiting = second.then(({ count }) => count);
    await untilWaiting(stores);
    await first.commit();
    assert.equal(await waiting, 1);
    assert.equal(await fenceOf(sql, "a"), 14);
  });

  test("an update that waited leaves a row that no longer meets its condition", async (stores) => {
    const { sql } = stores;
    await addLease(sql, "a", 1);
    const first = held(sql, (tx) => tx`update leases set fence = 7 where name = 'a'`);
    await first.begun;
    const second = sql`update leases set fence = 0 where name = 'a' and fence < 5`;
    const waiting = second.then(({ count }) => count);
    await untilWaiting(stores);
    await first.commit();
    assert.equal(await waiting, 0);
    assert.equal(await fenceOf(sql, "a"), 7);
  });

  test("for share lets readers with for share through and holds a change off", async (stores) => {
    const { sql } = stores;
    await addLease(sql, "a", 1);
    const owner = held(sql, (tx) => tx`select 1 from leases where name = 'a' for share`);
    await owner.begun;
    await sql.begin((tx) => tx`select 1 from leases where name = 'a' for share`);
    const change = sql`update leases set fence = 2 where name = 'a'`.then(({ count }) => count);
    await untilWaiting(stores);
    assert.equal(await fenceOf(sql, "a"), 1);
    await owner.commit();
    assert.equal(await change, 1);
  });

  test("for share inside a condition waits too, and then sees the change", async (stores) => {
    const { sql } = stores;
    await addLease(sql, "a", 1);
    const raise = held(sql, (tx) => tx`update redis_generation set generation = generation + 1`);
    await raise.begun;
    const guarded = sql`
      with present as (select 1 from redis_generation where generation = 1 for share)
      update leases set fence = 2 where name = 'a' and exists (select from present)`;
    const waiting = guarded.then(({ count }) => count);
    await untilWaiting(stores);
    await raise.commit();
    assert.equal(await waiting, 0, "the generation is no longer 1");
  });

  test("skip locked takes the first row that nobody holds", async ({ sql }) => {
    for (const name of ["a", "b", "c"]) await addLease(sql, name, 1);
    const take = (tx: Tx) =>
      tx<{ name: string }[]>`select name from leases order by name limit 1 for update skip locked`;
    const taken: string[] = [];
    const first = held(sql, async (tx) => taken.push((await take(tx))[0]?.name ?? "none"));
    await first.begun;
    await sql.begin(async (tx) => taken.push((await take(tx))[0]?.name ?? "none"));
    await first.commit();
    assert.deepEqual(taken, ["a", "b"]);
  });

  test("locks are taken in the order that the statement says, one after another", async (stores) => {
    const { sql } = stores;
    for (const name of ["a", "b"]) await addLease(sql, name, 1);
    const second = held(sql, (tx) => tx`select 1 from leases where name = 'b' for update`);
    await second.begun;
    const both = held(
      sql,
      (tx) => tx`select name from leases where name = any(${["b", "a"]}) order by name for update`,
    );
    await untilWaiting(stores);
    const [free] = await sql.begin((tx) =>
      tx`select name from leases order by name for update skip locked`
    );
    assert.equal(free, undefined, "a is held by who waits for b");
    await second.commit();
    await both.begun;
    await both.commit();
  });

  test("a circle of waits fails one transaction, and the other goes on", async (stores) => {
    const { sql } = stores;
    for (const name of ["a", "b"]) await addLease(sql, name, 1);
    const first = new Gate();
    const raise = (tx: Tx, name: string) =>
      tx`update leases set fence = fence + 1 where name = ${name}`;
    const one = sql.begin(async (tx) => {
      await raise(tx, "a");
      await first.passed();
      await raise(tx, "b");
    });
    const two = sql.begin(async (tx) => {
      await raise(tx, "b");
      first.open();
      await untilWaiting(stores);
      await raise(tx, "a");
    });
    const outcomes = await Promise.allSettled([one, two]);
    const failed = outcomes.filter(({ status }) => status === "rejected");
    assert.equal(failed.length, 1);
    assert.ok(failed[0]?.status === "rejected");
    assert.equal(codeOf(failed[0].reason), "40P01");
    assert.deepEqual([await fenceOf(sql, "a"), await fenceOf(sql, "b")], [2, 2]);
  });
}

function holdUniqueRules(test: Run): void {
  const process = (tx: Sql | Tx) =>
    tx`insert into processed_events (consumer, event_id)
      values ('test', '00000000-0000-7000-8000-000000000001')
      on conflict do nothing returning 1`;

  test("on conflict do nothing waits for the other writer, and does nothing when it commits", async (stores) => {
    const { sql } = stores;
    const first = held(sql, process);
    await first.begun;
    const second = process(sql).then((rows) => rows.length);
    await untilWaiting(stores);
    await first.commit();
    assert.equal(await second, 0);
  });

  test("on conflict do nothing waits for the other writer, and inserts when it rolls back", async (stores) => {
    const { sql } = stores;
    const first = held(sql, process);
    await first.begun;
    const second = process(sql).then((rows) => rows.length);
    await untilWaiting(stores);
    await first.rollBack();
    assert.equal(await second, 1);
  });

  test("on conflict do update works on the newest row and keeps to its condition", async ({ sql }) => {
    const take = (owner: string) =>
      sql<{ fence: string }[]>`
        insert into leases (name, owner, fence, expires_at)
        values ('a', ${owner}, 1, clock_timestamp() + 1000 * interval '1 millisecond')
        on conflict (name) do update
          set owner = excluded.owner, fence = leases.fence + 1, expires_at = excluded.expires_at
          where leases.expires_at < clock_timestamp()
        returning fence`;
    assert.deepEqual((await take("first")).map(({ fence }) => fence), ["1"]);
    assert.deepEqual([...await take("second")], []);
    await sql`update leases set expires_at = clock_timestamp() - interval '1 second'`;
    assert.deepEqual((await take("second")).map(({ fence }) => fence), ["2"]);
    const [row] = await sql`select owner from leases where name = 'a'`;
    assert.deepEqual(row, { owner: "second" });
  });

  test("a rule with a condition holds among the rows that meet it", async ({ sql }) => {
    const order = "00000000-0000-7000-8000-00000000000a";
    const add = async (id: string, status: string) => {
      const courier = `c${id.slice(1)}`;
      await sql`
        insert into accounts (id, role, name, email, password_hash)
        values (${courier}, 'courier', 'Test', ${`${id}@test.example`}, 'none')`;
      await sql`
        insert into regions (id, name, time_zone, currency, area, policy)
        values ('testville', 'Testville', 'Europe/Stockholm', 'SEK', '[]', '{}')
        on conflict (id) do nothing`;
      await sql`
        insert into couriers (id, region, shard, vehicle) values (${courier}, 'testville', 0, 'car')`;
      await sql`
        insert into offers (id, order_id, courier_id, status, attempt, distance_to_pickup_m,
          expires_at)
        values (${id}, ${order}, ${courier}, ${status}, 1, 1, clock_timestamp())`;
    };
    await add("00000000-0000-7000-8000-000000000001", "expired");
    await add("00000000-0000-7000-8000-000000000002", "pending");
    await add("00000000-0000-7000-8000-000000000003", "expired");
    await assert.rejects(
      add("00000000-0000-7000-8000-000000000004", "pending"),
      (error) => codeOf(error) === "23505",
    );
    await assert.rejects(
      sql`update offers set status = 'pending' where id = '00000000-0000-7000-8000-000000000003'`,
      (error) => codeOf(error) === "23505",
    );
    await assert.rejects(
      sql`update offers set status = 'lost' where id = '00000000-0000-7000-8000-000000000003'`,
      (error) => codeOf(error) === "23514",
    );
  });

  test("unnest makes rows of arrays, in order, with their number", async ({ sql }) => {
    const keys = [1, 2].map((index) => `00000000-0000-7000-8000-00000000000${index}`);
    await sql`
      insert into timers (kind, key, version, due_at)
      select 'offer.expire', key, place, clock_timestamp() + wait_ms * interval '1 millisecond'
      from unnest(${keys}::uuid[], ${[5_000, 1_000]}::float8[]) with ordinality
        as timer (key, wait_ms, place)
      order by place`;
    const rows = await sql`select key, version from timers order by due_at`;
    assert.deepEqual([...rows], [{ key: keys[1], version: 2 }, { key: keys[0], version: 1 }]);
    const [late] = await sql<{ waitMs: number }[]>`
      select (extract(epoch from min(due_at) - clock_timestamp()) * 1000)::float8 as wait_ms
      from timers`;
    assert.ok(late !== undefined && late.waitMs > 0 && late.waitMs <= 1_000);
    const [none] =
      await sql`select min(due_at) as due_at, count(*) as rows from timers where false`;
    assert.deepEqual(none, { dueAt: null, rows: "0" });
  });
}
