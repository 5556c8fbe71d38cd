import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
// @ts-types="@types/pg"
import pg from "pg";
import fc from "fast-check";
import { connectSql, isSqlState, type Sql, SQLSTATE } from "shared/sql/connect.ts";
import { sendPacket } from "shared/sql/packet.ts";
import { withStores } from "../harness/with_stores.ts";

const SEED = Number(Deno.env.get("SEED") ?? 20261121);

const statement = (text: string, values: readonly unknown[] = []) => ({
  text,
  values,
  name: undefined,
  isRead: true,
});

/** One connection, so that whatever a failure leaves behind meets the next statement. */
async function withOne(work: (sql: Sql) => Promise<void>): Promise<void> {
  await withStores(async ({ databaseUrl }) => {
    const sql = connectSql(databaseUrl, { applicationName: "test-sql", max: 1 });
    try {
      await sql`create table notes (id integer primary key, text text)`;
      await work(sql);
    } finally {
      await sql.end({ timeout: 2 });
    }
  });
}

const ids = async (sql: Sql) =>
  (await sql<{ id: number }[]>`select id from notes order by id`).map(({ id }) => id);

Deno.test("a deferred write is seen by the next statement of its transaction", () =>
  withOne(async (sql) => {
    const seen = await sql.begin(async (tx) => {
      tx.defer(tx`insert into notes (id) values (1), (2)`);
      return (await tx`select 1 from notes`).count;
    });
    assert.equal(seen, 2);
  }));

Deno.test("deferred writes go with the commit, in their order", () =>
  withOne(async (sql) => {
    await sql.begin((tx) => {
      tx.defer(tx`insert into notes (id, text) values (1, 'first')`);
      tx.defer(tx`update notes set text = 'second' where id = 1`);
      return Promise.resolve();
    });
    assert.deepEqual(
      await sql`select text from notes`,
      Object.assign([{ text: "second" }], { count: 1 }),
    );
  }));

Deno.test("a deferred write that fails fails the commit with its error, and nothing is written", () =>
  withOne(async (sql) => {
    await sql`insert into notes (id) values (1)`;
    const work = sql.begin(async (tx) => {
      await tx`insert into notes (id) values (2)`;
      tx.defer(tx`insert into notes (id) values (1)`);
      tx.defer(tx`insert into notes (id) values (3)`);
    });
    await assert.rejects(work, (error) => isSqlState(error, SQLSTATE.uniqueViolation));
    assert.deepEqual(await ids(sql), [1]);
    // The same statements again, on the same connection: what was skipped is not taken for prepared.
    await sql.begin((tx) => Promise.resolve(tx.defer(tx`insert into notes (id) values (3)`)));
    assert.deepEqual(await ids(sql), [1, 3]);
  }));

Deno.test("a deferred write that fails fails the next statement, which does not run", () =>
  withOne(async (sql) => {
    const work = sql.begin(async (tx) => {
      tx.defer(tx`select 1 / (select count(*) from notes)`);
      await tx`insert into notes (id) values (1)`;
    });
    await assert.rejects(work, /division by zero/);
    assert.deepEqual(await ids(sql), []);
  }));

Deno.test("a transaction whose failed statement was caught does not commit", () =>
  withOne(async (sql) => {
    const work = sql.begin(async (tx) => {
      await tx`insert into notes (id) values (1)`;
      await assert.rejects(async () => await tx`insert into notes (id) values (1)`);
    });
    await assert.rejects(work, /rolled back/);
    assert.deepEqual(await ids(sql), []);
  }));

Deno.test("a transaction without statements leaves its connection as it was", () =>
  withOne(async (sql) => {
    assert.equal(await sql.begin(() => Promise.resolve("nothing")), "nothing");
    await assert.rejects(
      sql.begin(() => Promise.reject(new Error("before anything"))),
      /before anything/,
    );
    await sql`insert into notes (id) values (1)`;
    await assert.rejects(sql.begin(() => Promise.reject(new Error("again"))), /again/);
    assert.deepEqual(await ids(sql), [1]);
  }));

Deno.test("a transaction takes nothing after its end", () =>
  withOne(async (sql) => {
    const tx = await sql.begin((tx) => Promise.resolve({ tx }));
    await assert.rejects(async () => await tx.tx`select 1`, /transaction is over/);
    assert.throws(() => tx.tx.defer(tx.tx`select 1`), /transaction is over/);
  }));

Deno.test("a connection that Postgres ends in a transaction is replaced, and nothing is written", () =>
  withOne(async (sql) => {
    const work = sql.begin(async (tx) => {
      await tx`insert into notes (id) values (1)`;
      await tx`select pg_terminate_backend(pg_backend_pid())`;
    });
    await assert.rejects(work);
    await sql`insert into notes (id) values (2)`;
    assert.deepEqual(await ids(sql), [2]);
  }));

Deno.test("a connection that does not answer in time is replaced", () =>
  withStores(async ({ databaseUrl }) => {
    const sql = connectSql(databaseUrl, {
      applicationName: "test-slow",
      max: 1,
      queryTimeoutMs: 300,
    });
    try {
      await assert.rejects(async () => await sql`select pg_sleep(30)`, /timeout/);
      const pause = sql.begin(async (tx) => await tx`select pg_sleep(30)`);
      await assert.rejects(pause, /timeout/);
      assert.equal((await sql`select 1`).count, 1);
    } finally {
      await sql.end({ timeout: 2 });
    }
  }));

Deno.test("after a statement that fails nothing of its packet runs", () =>
  withStores(async ({ databaseUrl, sql }) => {
    await sql`create table notes (id integer primary key)`;
    const client = new pg.Client({ connectionString: databaseUrl });
    await client.connect();
    try {
      // What fails stands where BEGIN does: the insert must not commit by itself.
      const packet = [statement("select 1 / 0"), statement("insert into notes values (1)")];
      await assert.rejects(sendPacket(client, packet), /division by zero/);
      const results = await sendPacket(client, [
        statement("insert into notes values ($1), (3)", [2]),
        statement("select id from notes"),
        statement(""),
      ]);
      assert.deepEqual(results, [
        { command: "INSERT", rows: [], count: 2 },
        { command: "SELECT", rows: [{ id: 2 }, { id: 3 }], count: 2 },
        { command: "", rows: [], count: 0 },
      ]);
    } finally {
      await client.end();
    }
  }));

Deno.test(`values come back as they were sent (seed ${SEED})`, () =>
  withStores(async ({ sql }) => {
    const text = fc.string({ unit: "grapheme" }).filter((value) => !value.includes("\0"));
    // Minus zero is sent as zero.
    const number = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);
    const values = fc.record({
      text,
      texts: fc.array(fc.option(text), { maxLength: 5 }),
      numbers: fc.array(number, { maxLength: 5 }),
      bytes: fc.uint8Array({ maxLength: 40 }),
      blobs: fc.array(fc.uint8Array({ maxLength: 8 }), { maxLength: 3 }),
      at: fc.date({
        min: new Date("1000-01-01"),
        max: new Date("9000-01-01"),
        noInvalidDate: true,
      }),
      json: fc.jsonValue({ maxDepth: 2 }).filter((value) =>
        !JSON.stringify(value).includes("\\u0000")
      ),
      flag: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(values, async (sent) => {
        const [row] = await sql`
          select ${sent.text}::text as text, ${sent.texts}::text[] as texts,
            ${sent.numbers}::float8[] as numbers, ${sent.bytes}::bytea as bytes,
            ${sent.blobs}::bytea[] as blobs, ${sent.at}::timestamptz as at,
            ${sql.json(sent.json)}::json as json, ${sent.flag}::boolean as flag`;
        assert.deepEqual({ ...row, bytes: new Uint8Array(row?.["bytes"] as Uint8Array) }, {
          ...sent,
          blobs: sent.blobs.map((blob) => Buffer.from(blob)),
          json: JSON.parse(JSON.stringify(sent.json)),
        });
      }),
      { seed: SEED, numRuns: 200 },
    );
  }));
