/**
 * Closes sockets of which nothing is heard.
 *
 * Contract: silence is counted in rounds of this watch and not by a clock: a process that stood still
 * has heard nobody, and does not close all of them for that when it goes on. What is watched is
 * closed once, and forgotten then.
 *
 * The runtime has an idle time-out of its own, which sends pings. It makes a timer for each frame
 * (1.8 KB) that lives until the next one comes, and so ends in the old generation, which is collected
 * while all else stands still (docs/adr/0024-what-a-frame-leaves.md).
 */
import { pause } from "shared/clock/timeout.ts";

const ROUND_MS = 10_000;
/**
 * Four heartbeats may get lost. Well above what this process may be behind with reading: it would
 * close those that wait for it.
 */
const MAX_SILENT_ROUNDS = 9;

export interface Watched {
  /** The round of the watch in which it was heard last. */
  heardInRound: number;
  closeSilent(): void;
}

export class SilenceWatch {
  readonly #watched = new Set<Watched>();
  #round = 0;

  get round(): number {
    return this.#round;
  }

  watch(watched: Watched): void {
    watched.heardInRound = this.#round;
    this.#watched.add(watched);
  }

  forget(watched: Watched): void {
    this.#watched.delete(watched);
  }

  /** Ends a round: closes what was not heard in the last nine and not in this one either. */
  endRound(): void {
    for (const watched of this.#watched) {
      if (this.#round - watched.heardInRound < MAX_SILENT_ROUNDS) continue;
      this.#watched.delete(watched);
      watched.closeSilent();
    }
    this.#round++;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(ROUND_MS, signal);
      if (!signal.aborted) this.endRound();
    }
  }
}
