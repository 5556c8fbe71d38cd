import assert from "node:assert/strict";
import { SilenceWatch, type Watched } from "./silence_watch.ts";

/** Something that is watched, and how often it was closed. */
class Phone implements Watched {
  heardInRound = 0;
  closed = 0;

  closeSilent(): void {
    this.closed++;
  }
}

function endRounds(watch: SilenceWatch, count: number): void {
  for (let round = 0; round < count; round++) watch.endRound();
}

Deno.test("SilenceWatch closes what is silent for nine whole rounds, once, and nobody who was heard meanwhile", () => {
  const watch = new SilenceWatch();
  endRounds(watch, 3);
  const silent = new Phone();
  const heard = new Phone();
  watch.watch(silent);
  watch.watch(heard);
  endRounds(watch, 9);
  assert.equal(silent.closed, 0, "the round in which it came was not a whole one");
  heard.heardInRound = watch.round;
  watch.endRound();
  assert.deepEqual([silent.closed, heard.closed], [1, 0]);
  endRounds(watch, 8);
  assert.equal(heard.closed, 0);
  watch.endRound();
  assert.deepEqual([silent.closed, heard.closed], [1, 1]);
});

Deno.test("SilenceWatch leaves alone what it was told to forget", () => {
  const watch = new SilenceWatch();
  const gone = new Phone();
  watch.watch(gone);
  watch.forget(gone);
  endRounds(watch, 20);
  assert.equal(gone.closed, 0);
});
