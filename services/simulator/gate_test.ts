import assert from "node:assert/strict";
import { Gate } from "./gate.ts";

const forever = new AbortController().signal;

/** Lets everything that is already resolved run on. */
function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

Deno.test("Gate.run() lets at most its limit run, in the order of arrival", async () => {
  const gate = new Gate(2);
  const finishers: (() => void)[] = [];
  const started: number[] = [];
  const works = [0, 1, 2, 3].map((n) =>
    gate.run(() => {
      started.push(n);
      return new Promise<number>((resolve) => finishers.push(() => resolve(n)));
    }, forever)
  );
  await settled();
  assert.deepEqual(started, [0, 1]);
  finishers[1]?.();
  assert.equal(await works[1], 1);
  await settled();
  assert.deepEqual(started, [0, 1, 2]);
  finishers[0]?.();
  finishers[2]?.();
  await settled();
  finishers[3]?.();
  assert.deepEqual(await Promise.all(works), [0, 1, 2, 3]);
});

Deno.test("Gate.run() gives the place on when work throws", async () => {
  const gate = new Gate(1);
  await assert.rejects(gate.run(() => Promise.reject(new Error("no")), forever), /no/);
  assert.equal(await gate.run(() => Promise.resolve("next"), forever), "next");
});

Deno.test("Gate.run() does not start work whose wait was aborted", async () => {
  const gate = new Gate(1);
  let finish: () => void = () => {};
  const first = gate.run(() => new Promise<void>((resolve) => finish = resolve), forever);
  const controller = new AbortController();
  let ran = false;
  const second = gate.run(() => {
    ran = true;
    return Promise.resolve();
  }, controller.signal);
  controller.abort();
  await second;
  finish();
  await first;
  assert.equal(ran, false);
  assert.equal(await gate.run(() => Promise.resolve(1), forever), 1);
});
