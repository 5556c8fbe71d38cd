import assert from "node:assert/strict";
import { formatLine, readableLine } from "./log_format.ts";

const FROM = { name: "gateway", nameWidth: 9, index: 1 };
const LINE = JSON.stringify({
  time: "2026-11-20T12:00:01.250Z",
  level: "info",
  service: "gateway",
  message: "order placed",
  orderId: "o-1",
  tookMs: 12,
});

Deno.test("formatLine() leaves a JSON line as it is when nobody reads along", () => {
  assert.equal(formatLine(LINE, FROM, { colour: false, readable: false }), `gateway   | ${LINE}`);
});

Deno.test("formatLine() shows time, level, message and fields on a terminal", () => {
  assert.equal(
    formatLine(LINE, FROM, { colour: false, readable: true }),
    "gateway   | 12:00:01.250 info  order placed orderId=o-1 tookMs=12",
  );
});

Deno.test("formatLine() colours the name by service", () => {
  const line = formatLine("plain text", FROM, { colour: true, readable: true });
  assert.equal(line, "\x1b[32mgateway   |\x1b[0m plain text");
});

Deno.test("readableLine() colours errors and escapes what could move the cursor", () => {
  const line = JSON.stringify({ level: "error", msg: "a\x1b[2Jb\nc", path: "x y", at: { n: 1 } });
  assert.equal(
    readableLine(line, true),
    '\x1b[31merror\x1b[0m a\\u001b[2Jb\\nc \x1b[90mpath="x y" at={"n":1}\x1b[0m',
  );
});

Deno.test("readableLine() leaves other lines as they are", () => {
  for (const line of ["", "text", "{broken", "[1]", '{"no":"message"}', "{}"]) {
    assert.equal(readableLine(line, true), line);
  }
});
