import assert from "node:assert/strict";
import { createLog, describeError } from "./log.ts";

function captured(format: "json" | "pretty", level: "debug" | "info" = "info") {
  const lines: string[] = [];
  const log = createLog({
    service: "gateway",
    level,
    format,
    write: (line) => lines.push(line),
    now: () => new Date("2026-01-02T03:04:05.678Z"),
    isTerminal: false,
  });
  return { log, lines };
}

Deno.test("createLog() writes one JSON object per line with the fields of with()", () => {
  const { log, lines } = captured("json");
  log.with({ requestId: "r1" }).info("request", { status: 200 });
  assert.deepEqual(lines.map((line) => JSON.parse(line)), [{
    time: "2026-01-02T03:04:05.678Z",
    level: "info",
    service: "gateway",
    message: "request",
    requestId: "r1",
    status: 200,
  }]);
});

Deno.test("createLog() is readable on a terminal", () => {
  const { log, lines } = captured("pretty");
  log.warn("slow", { durationMs: 12 });
  assert.deepEqual(lines, ["03:04:05.678 warn  gateway slow durationMs=12"]);
});

Deno.test("createLog() drops lines below its level", () => {
  const { log, lines } = captured("json");
  log.debug("nothing");
  assert.equal(lines.length, 0);
});

Deno.test("createLog() refuses fields that could hold personal data or a secret", () => {
  const { log, lines } = captured("json");
  log.info("x", { email: "a@b.c", Token: "secret", lat: 57.7, orderId: "o1" });
  const line = JSON.parse(lines[0] ?? "{}");
  assert.deepEqual([line.email, line.Token, line.lat, line.orderId], [
    "[refused]",
    "[refused]",
    "[refused]",
    "o1",
  ]);
});

Deno.test("describeError() keeps the chain of causes", () => {
  const error = new Error("outer", { cause: new TypeError("inner") });
  assert.match(describeError(error), /outer[\s\S]* <- TypeError: inner/);
});
