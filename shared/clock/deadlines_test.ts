import assert from "node:assert/strict";
import type { Clock } from "./clock.ts";
import { Deadlines } from "./deadlines.ts";

/** A clock that a test moves; it knows how many timers were ever started. */
class HandClock implements Clock {
  #nowMs = 0;
  started = 0;
  readonly running = new Map<number, { atMs: number; callback: () => void }>();

  nowMs(): number {
    return this.#nowMs;
  }

  startTimer(delayMs: number, callback: () => void): () => void {
    const id = ++this.started;
    this.running.set(id, { atMs: this.#nowMs + delayMs, callback });
    return () => this.running.delete(id);
  }

  /** Lets time pass, and whoever waits for a promise go on. */
  async pass(durationMs: number): Promise<void> {
    this.#nowMs += durationMs;
    for (const [id, { atMs, callback }] of this.running) {
      if (atMs > this.#nowMs) continue;
      this.running.delete(id);
      callback();
    }
    await Promise.resolve();
    await Promise.resolve();
  }
}

const late = () => new Error("too late");

Deno.test("Deadlines.bound() ends each wait in its own time, with one timer for all", async () => {
  const clock = new HandClock();
  const deadlines = new Deadlines(100, late, clock);
  const ends: string[] = [];
  const wait = (name: string, work: Promise<unknown>) =>
    void deadlines.bound(work).then(
      () => ends.push(`${name} done`),
      (error) => ends.push(`${name} ${error.message}`),
    );
  const never = new Promise(() => {});
  const answers = [Promise.withResolvers(), Promise.withResolvers()];
  wait("a", never);
  await clock.pass(30);
  wait("b", answers[0]?.promise ?? never);
  wait("c", never);
  await clock.pass(30);
  wait("d", answers[1]?.promise ?? never);
  assert.equal(clock.started, 1);
  answers[0]?.resolve("answer");
  await clock.pass(39);
  assert.deepEqual(ends, ["b done"]);
  await clock.pass(1);
  assert.deepEqual(ends, ["b done", "a too late"]);
  await clock.pass(30);
  assert.deepEqual(ends.slice(2), ["c too late"]);
  answers[1]?.reject(new Error("its own"));
  await clock.pass(1);
  assert.deepEqual(ends.slice(3), ["d its own"]);
  assert.equal(clock.running.size, 0, "nothing is left running");
});

Deno.test("Deadlines.bound() after all have ended begins anew", async () => {
  const clock = new HandClock();
  const deadlines = new Deadlines(100, late, clock);
  assert.equal(await deadlines.bound(Promise.resolve(1)), 1);
  assert.equal(clock.running.size, 0);
  const waiting = deadlines.bound(new Promise(() => {}));
  await clock.pass(100);
  await assert.rejects(waiting, /too late/);
  assert.equal(clock.running.size, 0);
});
