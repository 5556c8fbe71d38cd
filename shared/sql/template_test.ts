import assert from "node:assert/strict";
import { compile, Identifier, InsertRows, JsonParameter, Statement } from "./template.ts";

const runner = { run: () => Promise.resolve({ rows: [], count: 0 }) };

function sql(strings: TemplateStringsArray, ...parts: unknown[]) {
  return new Statement(runner, strings, parts);
}

Deno.test("compile() makes parameters of values, whatever they hold", () => {
  const evil = "'; drop table orders; --";
  const { text, values } = compile(sql`select * from orders where id = ${evil} and n = ${null}`);
  assert.equal(text, "select * from orders where id = $1 and n = $2");
  assert.deepEqual(values, [evil, null]);
});

Deno.test("compile() numbers the parameters of nested statements in their order", () => {
  const status = "placed";
  const where = sql`and status = ${status}`;
  const { text, values } = compile(sql`select 1 where id = ${7} ${where} limit ${9}`);
  assert.equal(text, "select 1 where id = $1 and status = $2 limit $3");
  assert.deepEqual(values, [7, "placed", 9]);
});

Deno.test("compile() quotes identifiers and spreads the rows of an insert", () => {
  const rows = new InsertRows([{ id: 1, note: "a" }, { id: 2, note: null }]);
  const { text, values } = compile(sql`insert into ${new Identifier('we"ird')} ${rows}`);
  assert.equal(text, 'insert into "we""ird" ("id","note") values ($1,$2),($3,$4)');
  assert.deepEqual(values, [1, "a", 2, null]);
});

Deno.test("compile() sends JSON as text, so that an array is no Postgres array", () => {
  assert.deepEqual(compile(sql`select ${new JsonParameter([1, { a: null }])}`).values, [
    '[1,{"a":null}]',
  ]);
});

Deno.test("compile() names a statement only where its text is always the same", () => {
  const plain = (id: number) => compile(sql`select ${id}`).name;
  assert.ok(plain(1) !== undefined && plain(1) === plain(2));
  const nested = (part: boolean) => compile(sql`select ${part ? sql`1` : sql`2`}`).name;
  const [once, again, other] = [nested(true), nested(true), nested(false)];
  assert.ok(once !== undefined && once === again);
  assert.notEqual(once, other);
});

Deno.test("Statement runs once, when it is awaited, and not when it is only a part", async () => {
  let runs = 0;
  const counting = {
    run: () => {
      runs++;
      return Promise.resolve({ rows: [{ a: 1 }], count: 1 });
    },
  };
  const inner = new Statement(counting, ["select 1"], []);
  const outer = new Statement<{ a: number }[]>(counting, ["with x as (", ") select 2"], [inner]);
  assert.equal(runs, 0);
  const rows = await outer;
  await outer;
  assert.equal(runs, 1);
  assert.deepEqual([rows.length, rows.count, rows[0]?.a], [1, 1, 1]);
});

Deno.test("InsertRows refuses an empty list, which would be no SQL", () => {
  assert.throws(() => new InsertRows([]), /rows must be at least 1/);
});
