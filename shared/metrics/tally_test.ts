import { deepStrictEqual } from "node:assert/strict";
import { Counter, Registry } from "prom-client";
import { Tally } from "./tally.ts";

Deno.test("Tally.moveTo() gives the counter what was counted, once", async () => {
  const tally = new Tally<"a" | "b">();
  const counter = new Counter({
    name: "test_total",
    help: "Test",
    labelNames: ["kind"],
    registers: [new Registry()],
    collect() {
      tally.moveTo(this, (kind) => ({ kind }));
    },
  });
  const read = async () => (await counter.get()).values.map(({ labels, value }) => [labels, value]);
  tally.add("a");
  tally.add("b", 3);
  deepStrictEqual(await read(), [[{ kind: "a" }, 1], [{ kind: "b" }, 3]]);
  tally.add("a");
  deepStrictEqual(await read(), [[{ kind: "a" }, 2], [{ kind: "b" }, 3]]);
});
