import assert from "node:assert/strict";
import { reasonOf, withoutPassword } from "./setup_error.ts";

Deno.test("reasonOf() finds the cause in empty and aggregated errors", () => {
  const refused = Object.assign(new Error(""), { code: "ECONNREFUSED" });
  assert.equal(reasonOf(new AggregateError([refused], "")), "ECONNREFUSED");
  const denied = Object.assign(new Error("password authentication failed"), { code: "28P01" });
  assert.equal(reasonOf(denied), "password authentication failed (28P01)");
  assert.equal(reasonOf(new Error("two\nlines.")), "two lines");
  assert.equal(reasonOf("text"), "text");
  assert.ok(reasonOf(new Error("x".repeat(1_000))).length < 410);
});

Deno.test("withoutPassword() hides the password, the query and what is no URL", () => {
  assert.equal(
    withoutPassword("postgres://me:secret@db:5432/name?sslkey=secret#secret"),
    "postgres://me@db:5432/name",
  );
  assert.equal(withoutPassword("redis://:secret@127.0.0.1:6379"), "redis://127.0.0.1:6379");
  assert.equal(withoutPassword("secret"), "(not a URL)");
});
