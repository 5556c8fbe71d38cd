import type { Redis } from "shared/redis/connect.ts";
import type { Partition, RedisKeys } from "shared/redis/keys.ts";
import { runScript } from "shared/redis/script.ts";
import type { CourierStatus } from "shared/orders/rows.ts";
import { APPLY_FIXES, ID_CHARS, SCORE_CHARS } from "./apply_fixes.ts";
import { MAX_ACCURACY_M } from "./cleaning.ts";
import { type CourierState, readCourierState, surelyAgrees } from "./courier_state.ts";
import { type Fix, FIX_LETTERS, type FixCode } from "./fix.ts";
import { geoScoreOf, JUDGED_BYTES, RECORD_BYTES, textOfFix, writeRecord } from "./fix_record.ts";
import {
  APPLY_STATUS,
  FORGET_COURIER,
  LOAD_COURIERS,
  RESTORE_FIX,
  SWEEP_SILENT,
  WATCH_SILENCE,
} from "./scripts.ts";

/** What was heard of one courier at once: its fixes, or none for a heartbeat. */
export interface Heard {
  readonly courierId: string;
  /** Faster than this it cannot have moved: see MAX_SPEED_MPS. */
  readonly maxSpeedMps: number;
  readonly fixes: readonly Fix[];
}

/** What became of it. */
export interface HeardAnswer {
  /** One for each fix, in the caller's order; for a heartbeat one: `accepted` where it was heard. */
  readonly codes: readonly FixCode[];
  /** How many fixes came from ahead of Redis's clock. */
  readonly clamped: number;
  /** Set where something was limited: the next fix is taken after this. */
  readonly retryAfterMs?: number;
}

/** What Postgres knows of a courier. */
export interface KnownCourier {
  readonly id: string;
  readonly status: CourierStatus;
  readonly version: number;
  readonly lastFix: Fix | undefined;
}

const MAX_SWEPT = 500;
/** A script call blocks Redis for all; of so many couriers for 2 ms. */
const MAX_LOADED = 200;
/** The same; thirty thousand at once would stop every fix for 30 ms, every 5 s. */
const MAX_WATCHED = 1_000;
/** Entries of up to 200 fixes that no consumer has read yet; then ingest answers 503. */
export const MAX_POSITION_ENTRIES = 100_000;
/** Before each courier's records: how many, its speed bound, whether they follow. */
const GROUP_BYTES = 7;
/** The script reads this much of a record behind it, also of a heartbeat, which has none. */
const READ_BYTES = 16;
const NO_SCORE = "0".repeat(SCORE_CHARS);
/** Every 5 s, so that a million are looked at in a day. */
const SCANNED_AT_ONCE = 200;

/** The availability index of one partition. See the scripts for the guarantees. */
export class Availability {
  readonly #redis: Redis;
  readonly #keys: RedisKeys;
  readonly #partition: Partition;
  /** Geo, seen and couriers. */
  readonly #courierKeys: readonly string[];
  readonly #fixKeys: readonly string[];
  /** Where the sweep goes on looking for couriers to forget. */
  #scanned = "0";

  constructor(redis: Redis, keys: RedisKeys, partition: Partition) {
    this.#redis = redis;
    this.#keys = keys;
    this.#partition = partition;
    const [geo, seen] = [keys.couriersGeo(partition), keys.couriersSeen(partition)];
    const couriers = keys.couriers(partition);
    this.#courierKeys = [geo, seen, couriers];
    this.#fixKeys = [geo, seen, keys.positions(partition), couriers];
  }

  /**
   * Applies what was heard, in the given order and in one step; one answer for each.
   *
   * @throws RangeError for an id that is no UUID.
   */
  async applyHeard(groups: readonly Heard[]): Promise<HeardAnswer[]> {
    const orders: (readonly number[] | undefined)[] = [];
    const { records, view } = allocate(groups.reduce(bytesWith, READ_BYTES));
    records.fill(0, records.length - READ_BYTES);
    const couriers = new Set<string>();
    let offset = 0;
    let ids = "";
    let scores = "";
    let heard = "";
    for (const { courierId, maxSpeedMps, fixes } of groups) {
      requireId(courierId);
      couriers.add(courierId);
      const order = orderByTime(fixes);
      const sorted = order === undefined ? fixes : order.flatMap((at) => fixes[at] ?? []);
      orders.push(order);
      const newest = sorted.at(-1);
      ids += courierId;
      scores += newest === undefined ? NO_SCORE : geoScoreOf(newest);
      let text = `["${courierId}"`;
      const speedCmps = Math.round(maxSpeedMps * 100);
      view.setUint16(offset, sorted.length, true);
      view.setUint32(offset + 2, speedCmps, true);
      view.setUint8(offset + 6, surelyFollow(sorted, speedCmps / 100) ? 1 : 0);
      offset += GROUP_BYTES + sorted.length * JUDGED_BYTES;
      let recordAt = offset;
      for (const fix of sorted) {
        text += `,${textOfFix(fix)}`;
        recordAt -= JUDGED_BYTES;
        writeBelieved(view, recordAt, fix);
      }
      heard += heard === "" ? `${text}]` : `,${text}]`;
    }
    const mayRepeat = couriers.size < groups.length ? 1 : 0;
    const args = [MAX_POSITION_ENTRIES, ids, scores, records, `[${heard}]`, mayRepeat];
    const reply = await runScript(this.#redis, APPLY_FIXES, this.#fixKeys, args);
    return readAnswers(reply, groups, orders);
  }

  /** Applies a status with its version; false when a newer one was applied before. */
  async applyStatus(courierId: string, status: CourierStatus, version: number): Promise<boolean> {
    const args = [courierId, status.charAt(0), version];
    return await runScript(this.#redis, APPLY_STATUS, this.#courierKeys, args) === "applied";
  }

  /** Gives a courier that Redis knows nothing of its last place; it is stale until it is heard. */
  async restoreFix(courierId: string, fix: Fix): Promise<boolean> {
    const keys = [this.#keys.couriers(this.#partition)];
    return await runScript(this.#redis, RESTORE_FIX, keys, [courierId, believed(fix)]) === 1;
  }

  /**
   * Applies the status of many couriers, and gives those a last place that have none: see
   * `applyStatus` and `restoreFix`. Nobody may be there twice.
   *
   * @throws RangeError for an id that is no UUID.
   */
  async load(couriers: readonly KnownCourier[]): Promise<void> {
    const load = async (start: number) => {
      const some = couriers.slice(start, start + MAX_LOADED);
      if (some.length === 0) return;
      const args = [some.map(({ id }) => id).join(""), factsOf(some)];
      await runScript(this.#redis, LOAD_COURIERS, this.#courierKeys, args);
    };
    // Two at a time: Redis need not wait for this process, nor this process for Redis.
    for (let start = 0; start < couriers.length; start += 2 * MAX_LOADED) {
      await Promise.all([load(start), load(start + MAX_LOADED)]);
    }
  }

  /** What Redis has of a courier; undefined for one it does not know. */
  async find(courierId: string): Promise<CourierState | undefined> {
    const state = await this.#redis.hgetBuffer(this.#keys.couriers(this.#partition), courierId);
    return state === null ? undefined : readCourierState(state);
  }

  /**
   * Hides silent couriers; returns those to take offline in Postgres (at most 500). Call by call it
   * also comes round to all couriers, and forgets those who were last heard long ago.
   */
  async sweepSilent(): Promise<string[]> {
    const args = [MAX_SWEPT, this.#scanned, SCANNED_AT_ONCE];
    // Written by our own script.
    const [silent, scanned] = await runScript(
      this.#redis,
      SWEEP_SILENT,
      this.#courierKeys,
      args,
    ) as [string[], string];
    this.#scanned = scanned;
    return silent;
  }

  /** Forgets a courier that Postgres does not know. */
  async forget(courierId: string): Promise<void> {
    await runScript(this.#redis, FORGET_COURIER, this.#courierKeys, [courierId]);
  }

  /** Starts the silence clock of couriers on shift that Redis does not know. */
  async watchSilence(courierIds: readonly string[]): Promise<void> {
    const keys = [this.#keys.couriersSeen(this.#partition)];
    for (let start = 0; start < courierIds.length; start += MAX_WATCHED) {
      const some = courierIds.slice(start, start + MAX_WATCHED);
      await runScript(this.#redis, WATCH_SILENCE, keys, some);
    }
  }
}

/** A fix as the state has one that is believed. */
function believed(fix: Fix): Buffer {
  const { records, view } = allocate(JUDGED_BYTES);
  writeBelieved(view, 0, fix);
  return records;
}

function writeBelieved(view: DataView, offset: number, fix: Fix): void {
  writeRecord(view, offset, fix);
  view.setUint8(offset + RECORD_BYTES, 1);
}

/**
 * Whether each of the fixes is good enough and surely follows on the one before it, so that all of
 * them are believed where the first one is.
 */
function surelyFollow(fixes: readonly Fix[], maxSpeedMps: number): boolean {
  let before: Fix | undefined;
  for (const fix of fixes) {
    // As the script has it: what is worse than a bound by less than a record tells is judged there.
    if (fix.accuracyM !== undefined && fix.accuracyM > MAX_ACCURACY_M) return false;
    if (before !== undefined) {
      if (fix.recordedAtMs <= before.recordedAtMs) return false;
      if (!surelyAgrees(before, fix, maxSpeedMps)) return false;
    }
    before = fix;
  }
  return before !== undefined;
}

/** What is loaded of couriers: see LOAD_COURIERS. */
function factsOf(couriers: readonly KnownCourier[]): Buffer {
  const versions = couriers.map(({ version }) => String(version));
  const digits = versions.reduce((sum, { length }) => sum + length, 0);
  const { records, view } = allocate(digits + couriers.length * (2 + JUDGED_BYTES));
  records.fill(0);
  let offset = 0;
  for (const [index, { id, status, lastFix }] of couriers.entries()) {
    requireId(id);
    const version = versions[index] ?? "";
    view.setUint8(offset, status.charCodeAt(0));
    view.setUint8(offset + 1, version.length);
    offset += 2;
    offset += records.write(version, offset, "latin1");
    if (lastFix !== undefined) writeBelieved(view, offset, lastFix);
    offset += JUDGED_BYTES;
  }
  return records;
}

function requireId(courierId: string): void {
  if (courierId.length !== ID_CHARS) throw new RangeError(`${courierId} is no courier's id`);
}

/** Bytes to send, and a view to write them through: three times as fast as the buffer's methods. */
function allocate(length: number): { records: Buffer; view: DataView } {
  const records = Buffer.allocUnsafe(length);
  return { records, view: new DataView(records.buffer, records.byteOffset, length) };
}

function bytesWith(sum: number, { fixes }: Heard): number {
  return sum + GROUP_BYTES + fixes.length * JUDGED_BYTES;
}

/** The indexes of the fixes by their time; undefined where they are in order already. */
function orderByTime(fixes: readonly Fix[]): number[] | undefined {
  const at = (index: number) => fixes[index]?.recordedAtMs ?? 0;
  if (fixes.every((fix, index) => index === 0 || at(index - 1) <= fix.recordedAtMs)) {
    return undefined;
  }
  return fixes.map((_, index) => index).sort((a, b) => at(a) - at(b));
}

function readAnswers(
  reply: unknown,
  groups: readonly Heard[],
  orders: readonly (readonly number[] | undefined)[],
): HeardAnswer[] {
  if (reply === "full") {
    return groups.map(({ fixes }) => ({
      codes: Array.from({ length: Math.max(1, fixes.length) }, () => "full" as const),
      clamped: 0,
    }));
  }
  // Written by our own script.
  const [letters, limits] = reply as [string, number[]];
  const waits = new Map<number, number>();
  for (let at = 0; at < limits.length; at += 2) {
    waits.set((limits[at] ?? 0) - 1, limits[at + 1] ?? 0);
  }
  let start = 0;
  return groups.map(({ fixes }, group) => {
    const count = Math.max(1, fixes.length);
    const own = letters.slice(start, start + count);
    start += count;
    const retryAfterMs = waits.get(group);
    const answer = own === "a" ? ACCEPTED : readLetters(own, orders[group]);
    return retryAfterMs === undefined ? answer : { ...answer, retryAfterMs };
  });
}

/** What nearly everybody is answered. */
const ACCEPTED: HeardAnswer = { codes: ["accepted"], clamped: 0 };

function readLetters(letters: string, order: readonly number[] | undefined): HeardAnswer {
  const codes: FixCode[] = [];
  let clamped = 0;
  for (let at = 0; at < letters.length; at++) {
    const letter = letters.charAt(at);
    const lower = letter.toLowerCase();
    if (letter !== lower) clamped++;
    const code = FIX_LETTERS[lower];
    if (code === undefined) throw new Error(`the script answered an unknown letter: ${letter}`);
    codes[order?.[at] ?? at] = code;
  }
  return { codes, clamped };
}
