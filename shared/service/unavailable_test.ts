import assert from "node:assert/strict";
import { TimeoutError } from "shared/clock/timeout.ts";
import { isUnavailable } from "./unavailable.ts";

Deno.test("isUnavailable() knows what passes by itself", () => {
  for (
    const error of [
      new TimeoutError("x"),
      Object.assign(new Error("connect"), { code: "ECONNREFUSED" }),
      Object.assign(new Error("the database system is starting up"), { code: "57P03" }),
      Object.assign(new Error("cannot execute UPDATE"), { code: "25006" }),
      new Error("Connection terminated unexpectedly"),
      new Error("READONLY You can't write against a read only replica."),
      new Error("MISCONF Errors writing to the AOF file"),
    ]
  ) assert.equal(isUnavailable(error), true, error.message);
});

Deno.test("isUnavailable() takes nothing else for an outage", () => {
  const duplicate = Object.assign(new Error("duplicate key"), { code: "23505" });
  for (const error of [duplicate, new Error("NOGROUP No such key"), "text", undefined]) {
    assert.equal(isUnavailable(error), false);
  }
});
