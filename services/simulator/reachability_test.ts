import assert from "node:assert/strict";
import { createLog } from "shared/log/log.ts";
import { Reachability } from "./reachability.ts";

function watched() {
  const lines: string[] = [];
  const log = createLog({
    service: "test",
    level: "info",
    format: "json",
    write: (line) => lines.push(String(JSON.parse(line).message)),
  });
  const clock = { nowMs: 0 };
  return { lines, clock, reachability: new Reachability(log, () => clock.nowMs) };
}

Deno.test("Reachability logs an outage once, and only when it lasts", () => {
  const { lines, clock, reachability } = watched();
  reachability.note("api", true);
  clock.nowMs = 4_999;
  reachability.note("api", false);
  assert.deepEqual(lines, []);
  clock.nowMs = 5_000;
  for (let i = 0; i < 40; i++) reachability.note("api", false);
  assert.deepEqual(lines, ["does not answer"]);
  reachability.note("ingest", true);
  reachability.note("api", true);
  reachability.note("api", true);
  assert.deepEqual(lines, ["does not answer", "answers again"]);
});

Deno.test("Reachability is answered once for ever, and answering now for half a minute", async () => {
  const { clock, reachability } = watched();
  await assert.rejects(reachability.apiAnsweredOnce());
  await assert.rejects(reachability.apiAnswersNow());
  reachability.note("ingest", true);
  await assert.rejects(reachability.apiAnsweredOnce());
  reachability.note("api", true);
  clock.nowMs = 30_000;
  await reachability.apiAnswersNow();
  clock.nowMs = 30_001;
  await assert.rejects(reachability.apiAnswersNow());
  await reachability.apiAnsweredOnce();
});
