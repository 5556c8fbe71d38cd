import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import type { Clock } from "shared/clock/clock.ts";
import { Gather, GatherFullError, padded } from "./gather.ts";

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A store whose calls end when the test says so. */
function gated(
  bounds: { maxGroup: number; maxCalls: number; maxWaiting?: number; paceMs?: number },
) {
  const timers: (() => void)[] = [];
  const delaysMs: number[] = [];
  let nowMs = 0;
  const clock: Clock = {
    nowMs: () => nowMs,
    startTimer: (delayMs, fire) => {
      delaysMs.push(delayMs);
      timers.push(fire);
      return () => {
        if (timers.includes(fire)) timers.splice(timers.indexOf(fire), 1);
      };
    },
  };
  const calls: { questions: number[]; end: (error?: Error) => void }[] = [];
  const gather = new Gather<number, string>({ name: "numbers", ...bounds }, (questions) => {
    const { promise, resolve, reject } = Promise.withResolvers<string[]>();
    const end = (error?: Error) =>
      error === undefined ? resolve(questions.map((n) => `answer ${n}`)) : reject(error);
    calls.push({ questions: [...questions], end });
    return promise;
  }, clock);
  return {
    gather,
    calls,
    delaysMs,
    pass: (ms = 0) => {
      nowMs += ms;
      timers.splice(0).forEach((fire) => fire());
    },
  };
}

Deno.test("Gather sends what is asked in one turn together, and answers each question", async () => {
  const { gather, calls } = gated({ maxGroup: 10, maxCalls: 1 });
  const answers = [3, 1, 2].map((n) => gather.ask(n));
  await turn();
  assert.deepEqual(calls.map(({ questions }) => questions), [[3, 1, 2]]);
  calls[0]?.end();
  assert.deepEqual(await Promise.all(answers), ["answer 3", "answer 1", "answer 2"]);
});

Deno.test("Gather collects while a call is under way, and never answers from an earlier one", async () => {
  const { gather, calls } = gated({ maxGroup: 3, maxCalls: 2 });
  const answers = [gather.ask(1)];
  await turn();
  for (const n of [1, 5]) answers.push(gather.ask(n));
  await turn();
  assert.deepEqual(calls.map(({ questions }) => questions), [[1]]);
  calls[0]?.end();
  await turn();
  await turn();
  assert.deepEqual(calls.map(({ questions }) => questions), [[1], [1, 5]]);
  calls[1]?.end();
  assert.deepEqual(await Promise.all(answers), ["answer 1", "answer 1", "answer 5"]);
});

Deno.test("Gather sends a full group beside a call under way, and no more than its calls", async () => {
  const { gather, calls } = gated({ maxGroup: 2, maxCalls: 2 });
  const answers = [gather.ask(1)];
  await turn();
  for (const n of [2, 3, 4, 5]) answers.push(gather.ask(n));
  await turn();
  await turn();
  assert.deepEqual(calls.map(({ questions }) => questions), [[1], [2, 3]]);
  calls[1]?.end();
  await turn();
  await turn();
  assert.deepEqual(calls.at(2)?.questions, [4, 5]);
  for (const call of calls) call.end();
  assert.equal((await Promise.all(answers)).at(-1), "answer 5");
});

Deno.test("Gather does not let a call that hangs hold up the others", async () => {
  const { gather, calls, pass } = gated({ maxGroup: 9, maxCalls: 2 });
  const hung = gather.ask(1);
  await turn();
  const later = [2, 3].map((n) => gather.ask(n));
  await turn();
  assert.equal(calls.length, 1);
  pass();
  assert.deepEqual(calls.at(1)?.questions, [2, 3]);
  calls[1]?.end();
  assert.deepEqual(await Promise.all(later), ["answer 2", "answer 3"]);
  calls[0]?.end();
  assert.equal(await hung, "answer 1");
});

Deno.test("Gather gives an error to the questions of its call only, and goes on", async () => {
  const { gather, calls } = gated({ maxGroup: 1, maxCalls: 1 });
  const answers = [1, 2].map((n) => gather.ask(n));
  await turn();
  calls[0]?.end(new Error("away"));
  await assert.rejects(answers[0] ?? turn(), /away/);
  await turn();
  calls[1]?.end();
  assert.equal(await answers[1], "answer 2");
});

Deno.test("Gather refuses a question beyond its bound at once", async () => {
  const { gather, calls } = gated({ maxGroup: 1, maxCalls: 1, maxWaiting: 1 });
  const first = gather.ask(1);
  await turn();
  const second = gather.ask(2);
  await assert.rejects(gather.ask(3), GatherFullError);
  calls[0]?.end();
  await first;
  await turn();
  calls[1]?.end();
  assert.equal(await second, "answer 2");
});

Deno.test("Gather takes a store that answers too few questions for broken", async () => {
  const gather = new Gather<number, number>(
    { name: "numbers", maxGroup: 5, maxCalls: 1 },
    () => Promise.resolve([1]),
  );
  const answers = [1, 2].map((n) => gather.ask(n));
  const outcomes = await Promise.allSettled(answers);
  assert.deepEqual(outcomes.map(({ status }) => status), ["rejected", "rejected"]);
});

Deno.test("padded() fills a short list with its last entry, and leaves others as they are", () => {
  assert.deepEqual(padded([]), []);
  assert.deepEqual(padded([1, 2]), [1, 2, 2, 2, 2, 2, 2, 2, 2, 2]);
  const many = Array.from({ length: 11 }, (_, n) => n);
  assert.deepEqual(padded(many), many);
});

Deno.test("Gather with a pace sends a question after a pause at once, and those of a busy time in groups", async () => {
  const { gather, calls, delaysMs, pass } = gated({ maxGroup: 3, maxCalls: 1, paceMs: 5 });
  const groups = () => calls.map(({ questions }) => questions);
  const asked = [gather.ask(1)];
  await turn();
  calls[0]?.end();
  await turn();
  asked.push(gather.ask(2), gather.ask(3));
  await turn();
  assert.deepEqual(groups(), [[1]]);
  assert.deepEqual(delaysMs, [5], "one wait for both");
  pass(5);
  assert.deepEqual(groups(), [[1], [2, 3]]);
  calls[1]?.end();
  await turn();
  for (const n of [4, 5, 6]) asked.push(gather.ask(n));
  await turn();
  assert.deepEqual(groups().at(-1), [4, 5, 6], "a whole group waits for nothing");
  calls[2]?.end();
  await turn();
  pass(6);
  asked.push(gather.ask(7));
  await turn();
  assert.deepEqual(groups().at(-1), [7]);
  calls[3]?.end();
  await Promise.all(asked);
});
