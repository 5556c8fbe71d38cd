import assert from "node:assert/strict";
import { currentTrace, inTrace, traceId } from "./trace.ts";

const CAUSE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

Deno.test("inTrace() goes on with the id and flags of its cause, as a step of its own", () => {
  const trace = inTrace(CAUSE, currentTrace) ?? "";
  assert.match(trace, /^00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-00$/);
  assert.notEqual(trace, CAUSE);
});

Deno.test("inTrace() begins a trace where there is none or a malformed one", () => {
  const causes = [
    null,
    "",
    "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
    "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    `${CAUSE}\r\nx: y`,
    "4bf92f3577b34da6a3ce929d0e0e4736",
  ];
  const traces = causes.map((cause) => inTrace(cause, currentTrace) ?? "");
  for (const trace of traces) assert.match(trace, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  assert.equal(new Set(traces.map(traceId)).size, causes.length);
});

Deno.test("currentTrace() follows each work through its awaits and is null outside", async () => {
  const seen = await Promise.all(
    [1, 2].map((number) =>
      inTrace(`00-${String(number).repeat(32)}-00f067aa0ba902b7-01`, async () => {
        await Promise.resolve();
        return traceId(currentTrace());
      })
    ),
  );
  assert.deepEqual(seen, ["1".repeat(32), "2".repeat(32)]);
  assert.equal(currentTrace(), null);
});
