/**
 * When each phone records a fix, where it is then, and what goes wrong with it. Pure: the phones,
 * the reader and the checks compute the same from the number of the phone and of the fix (its slot),
 * so that nothing has to be remembered for each of millions of fixes.
 */
import { MIDDLE } from "../ingest/settings.ts";

/** Each phone records a fix this often. */
export const PERIOD_MS = 3_000;
/** Prime, so that neighbours in the list are not neighbours in time. */
const STRIDE = 7_919;
/** Points of one posted batch: what a phone collects in half a minute. */
export const BATCH_SLOTS = 10;
const COLUMNS = 173;
/** A phone goes up and down a street of so many slots, 22 m each: 7.4 m/s. */
const STREET_SLOTS = 200;
const STEP_DEG = 2e-4;
const JUMP_DEG = 0.1;

/** What becomes of a fix on its way. */
export type Conduct = "plain" | "repeat" | "reorder" | "jump" | "tunnel" | "silence";

/** Of a million fixes: so many begin or are this. A tunnel is 5 to 9 fixes, a silence 15 to 19. */
const CONDUCTS: readonly (readonly [Conduct, number])[] = [
  ["repeat", 10_000],
  ["reorder", 10_000],
  ["jump", 2_000],
  ["tunnel", 1_500],
  ["silence", 200],
];
const MILLION = 1_000_000;

/** A place with six decimals, as phones tell it. */
export interface Place {
  readonly lat: number;
  readonly lon: number;
}

export class Timetable {
  readonly count: number;
  readonly #startMs: number;
  readonly #seed: number;
  readonly #byTime: Uint32Array;
  readonly #offsets: Uint16Array;

  /** @param startMs wall clock, whole milliseconds. */
  constructor(count: number, startMs: number, seed: number) {
    this.count = count;
    this.#startMs = startMs;
    this.#seed = seed;
    this.#byTime = new Uint32Array(count);
    this.#offsets = new Uint16Array(count);
    for (let phone = 0; phone < count; phone++) {
      const rank = phone * STRIDE % count;
      this.#byTime[rank] = phone;
      this.#offsets[phone] = Math.floor(rank * PERIOD_MS / count);
    }
  }

  /** The phone and the slot of the nth fix of all. */
  at(n: number): { readonly phone: number; readonly slot: number } {
    return { phone: this.#byTime[n % this.count] ?? 0, slot: Math.floor(n / this.count) };
  }

  recordedAtMs(phone: number, slot: number): number {
    return this.#startMs + (this.#offsets[phone] ?? 0) + slot * PERIOD_MS;
  }

  slotOf(recordedAtMs: number): number {
    return Math.floor((recordedAtMs - this.#startMs) / PERIOD_MS);
  }

  conduct(phone: number, slot: number): Conduct {
    let at = mix(phone, slot, this.#seed) % MILLION;
    for (const [conduct, share] of CONDUCTS) {
      if (at < share) return conduct;
      at -= share;
    }
    return "plain";
  }

  /** How many slots a tunnel or a silence that begins here takes. */
  length(conduct: "tunnel" | "silence", phone: number, slot: number): number {
    return (conduct === "tunnel" ? 5 : 15) + mix(slot, phone, this.#seed) % 5;
  }

  place(phone: number, slot: number): Place {
    const along = slot % (2 * STREET_SLOTS);
    const steps = along < STREET_SLOTS ? along : 2 * STREET_SLOTS - along;
    const column = phone % COLUMNS;
    const row = Math.floor(phone / COLUMNS) % COLUMNS;
    const jump = this.conduct(phone, slot) === "jump" ? JUMP_DEG : 0;
    return {
      lat: MIDDLE.lat - 0.2 + column / COLUMNS * 0.25 + steps * STEP_DEG + jump,
      lon: MIDDLE.lon - 0.4 + row / COLUMNS * 0.8,
    };
  }
}

/** An even 32-bit number of three (the finaliser of MurmurHash3, public domain). */
function mix(a: number, b: number, seed: number): number {
  let hash = Math.imul(a + 1, 0x9e3779b1) ^ Math.imul(b + 1, 0x85ebca6b) ^ seed;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
