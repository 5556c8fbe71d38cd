import assert from "node:assert/strict";
import { ConfigError, parseConfig } from "./config.ts";
import {
  addressBlocks,
  decimal,
  flag,
  integer,
  list,
  oneOf,
  origins,
  secretKey,
  serviceFields,
  speedOnlyInDemo,
  url,
} from "./fields.ts";

const fields = {
  OFFER_TTL_MS: integer({ min: 1, max: 600_000, fallback: "30000", description: "offer life" }),
  DATABASE_URL: url(["postgres"], { secret: true, description: "Postgres" }),
  MODE: oneOf(["a", "b"], { fallback: "a", description: "mode" }),
};

Deno.test("parseConfig() gives typed values and takes defaults for what is unset or empty", () => {
  const config = parseConfig("x", fields, { DATABASE_URL: "postgres://h/d", MODE: "" });
  assert.deepEqual(config, { OFFER_TTL_MS: 30000, DATABASE_URL: "postgres://h/d", MODE: "a" });
});

Deno.test("parseConfig() reports every problem together, with name, bound and value", () => {
  const env = { OFFER_TTL_MS: "0", MODE: "c" };
  assert.throws(() => parseConfig("matcher", fields, env), (error: unknown) => {
    assert.ok(error instanceof ConfigError);
    assert.deepEqual(error.message.split("\n"), [
      'Cannot start matcher: OFFER_TTL_MS must be a whole number from 1 to 600000: current value is "0"',
      "Cannot start matcher: DATABASE_URL must be set: it is empty (Postgres)",
      'Cannot start matcher: MODE must be one of a, b: current value is "c"',
    ]);
    return true;
  });
});

Deno.test("origins() takes exact origins and refuses *, paths and other schemes", () => {
  const { parse } = origins({ description: "x" });
  const two = ["https://shop.example", "http://127.0.0.1:8080"];
  assert.deepEqual(parse(two.join(", ")), { ok: true, value: two });
  assert.deepEqual(parse(""), { ok: true, value: [] });
  const bad = ["*", "https://*", "https://shop.example/", "shop.example", "null", "file:///x"];
  for (const text of bad) assert.equal(parse(`${two[0]},${text}`).ok, false, text);
});

Deno.test("addressBlocks() takes blocks of both families and refuses names", () => {
  const { parse } = addressBlocks({ description: "x" });
  const parsed = parse("10.0.0.0/8, fd00::/8,192.0.2.1");
  assert.equal(parsed.ok && parsed.value.length, 3);
  for (const text of ["proxy", "10.0.0.0/40", "*"]) assert.equal(parse(text).ok, false, text);
});

Deno.test("secretKey() refuses a short secret, and no problem ever shows it", () => {
  const env = { KEY: "a".repeat(31) };
  const key = secretKey({ description: "x" });
  assert.throws(
    () => parseConfig("gateway", { KEY: key }, env),
    (error: unknown) =>
      error instanceof ConfigError && !error.message.includes("aaa") &&
      error.message.includes("KEY must have at least 32 characters"),
  );
  assert.deepEqual(key.parse("a".repeat(32)), { ok: true, value: "a".repeat(32) });
});

Deno.test("parseConfig() never prints a secret, even a wrong one", () => {
  const env = { DATABASE_URL: "mysql://root:hunter2@h" };
  assert.throws(() => parseConfig("x", fields, env), (error: unknown) => {
    assert.ok(error instanceof ConfigError);
    assert.ok(!error.message.includes("hunter2"));
    assert.ok(error.message.includes("must be a URL that starts with postgres://"));
    return true;
  });
});

Deno.test("integer() and decimal() refuse what is not a number or outside the bounds", () => {
  const whole = integer({ min: -5, max: 5, description: "" });
  const part = decimal({ min: 0.1, max: 2, description: "" });
  for (const raw of ["", "1.5", "0x1", "6", "1e0", "NaN"]) {
    assert.equal(whole.parse(raw).ok, false, raw);
  }
  for (const raw of ["", " ", "abc", "Infinity", "2.1", "NaN"]) {
    assert.equal(part.parse(raw).ok, false, raw);
  }
  assert.deepEqual(whole.parse("-5"), { ok: true, value: -5 });
  assert.deepEqual(part.parse("0.5"), { ok: true, value: 0.5 });
});

Deno.test("flag() takes only true and false, list() drops blanks and repeats", () => {
  assert.deepEqual(flag({ description: "" }).parse("1").ok, false);
  assert.deepEqual(list({ description: "" }).parse(" a, b,,a"), { ok: true, value: ["a", "b"] });
});

Deno.test("speedOnlyInDemo() refuses another speed than 1 outside the demo", () => {
  const env = { SPEED: "10" };
  assert.throws(
    () => parseConfig("ingest", serviceFields(1), env, [speedOnlyInDemo]),
    /SPEED must be 1 unless HEXMILE_DEMO is true: current value is 10/,
  );
  const demo = parseConfig("ingest", serviceFields(1), { ...env, HEXMILE_DEMO: "true" }, [
    speedOnlyInDemo,
  ]);
  assert.equal(demo.SPEED, 10);
});
