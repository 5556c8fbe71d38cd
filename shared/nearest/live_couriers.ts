/**
 * Where every courier of a partition was last heard and what it is, in this process's memory: the
 * one truth of places in a process, so that a decision or a search asks nobody. Redis stamped the
 * fixes; here their times stand on this process's monotonic clock (`performance.now()`): a wall
 * clock that jumps would make every courier look silent, or nobody.
 *
 * Pure of I/O: `CourierFollower` feeds it. A status with a higher version wins, wherever it comes
 * from: what the script saw, an event, or the row in Postgres.
 */
import { HIDDEN_AFTER_MS } from "shared/availability/cleaning.ts";
import type { StreamedCourier } from "shared/availability/streamed_fixes.ts";
import type { Point } from "shared/geo/point.ts";
import type { CourierStatus } from "shared/orders/rows.ts";
import {
  type CourierProfile,
  fits,
  isEmptyFilter,
  type NearestCourier,
  type NearestQuery,
} from "./nearest_couriers.ts";
import { PointGrid } from "./point_grid.ts";
import { ProfileBits } from "./profile_bits.ts";

/** Couriers of one partition; a newcomer beyond them is not taken in until others are forgotten. */
export const MAX_LIVE_COURIERS = 200_000;
const MIN_SLOTS = 1_024;
const FORGET_AFTER_MS = 60 * 60_000;
/** Received so long ago that nobody asks the courier. */
const NEVER_MS = -Infinity;

export interface KnownPosition {
  readonly point: Point;
  /** On this process's monotonic clock. */
  readonly receivedAtMs: number;
}

/** A status as somebody told it. */
export interface ToldStatus {
  readonly courierId: string;
  readonly status: CourierStatus;
  readonly version: number;
  readonly activeAssignments?: number;
}

interface LiveCourier {
  readonly id: string;
  readonly slot: number;
  isReturning: boolean;
  /** -1 until somebody has told. */
  version: number;
  status: CourierStatus;
  activeAssignments: number | undefined;
  profile: CourierProfile | undefined;
}

export class LiveCouriers {
  readonly #grid = new PointGrid();
  readonly #slots = new Map<string, number>();
  readonly #couriers: (LiveCourier | undefined)[] = [];
  readonly #freeSlots: number[] = [];
  // Beside the objects: a search asks this of every courier that is near.
  #receivedAtMs = new Float64Array(MIN_SLOTS);
  /** 1 for who is available, known, and not just back from silence. */
  #canBeAsked = new Uint8Array(MIN_SLOTS);
  readonly #profileBits = new ProfileBits();
  #bits = new Int32Array(MIN_SLOTS);
  /** Redis's wall clock minus our monotonic one. */
  #clockAheadMs = 0;

  /** How many couriers are known, heard or only told of. */
  get count(): number {
    return this.#slots.size;
  }

  /** Sets Redis's clock beside ours. */
  syncClock(redisNowMs: number, nowMs: number): void {
    this.#clockAheadMs = redisNowMs - nowMs;
  }

  /** A time of Redis's on this process's monotonic clock. */
  toMonotonicMs(redisMs: number): number {
    return redisMs - this.#clockAheadMs;
  }

  /** Where a courier was last heard; who comes back after silence counts as silent a while more. */
  find(courierId: string): KnownPosition | undefined {
    const courier = this.#find(courierId);
    const point = courier && this.#grid.find(courier.slot);
    if (courier === undefined || point === undefined) return undefined;
    return { point, receivedAtMs: courier.isReturning ? NEVER_MS : this.#heardAt(courier) };
  }

  hasProfile(courierId: string): boolean {
    return this.#find(courierId)?.profile !== undefined;
  }

  /** Takes in what was heard, in the order of the stream: the script has judged what is newest. */
  apply(couriers: readonly StreamedCourier[]): void {
    for (const { courierId, place, isReturning, receivedAtMs, status, version } of couriers) {
      const courier = this.#take(courierId);
      if (courier === undefined) continue;
      courier.isReturning = isReturning;
      this.#receivedAtMs[courier.slot] = this.toMonotonicMs(receivedAtMs);
      if (place !== undefined) this.#grid.place(courier.slot, place);
      this.#takeStatus(courier, { courierId, status, version });
    }
  }

  /** Takes in a place from elsewhere than the stream, where it is newer than what is known. */
  note(courierId: string, position: KnownPosition & { readonly isReturning: boolean }): void {
    const courier = this.#take(courierId);
    if (courier === undefined) return;
    const isPlaced = this.#grid.find(courier.slot) !== undefined;
    if (isPlaced && this.#heardAt(courier) >= position.receivedAtMs) return;
    courier.isReturning = position.isReturning;
    this.#receivedAtMs[courier.slot] = position.receivedAtMs;
    this.#grid.place(courier.slot, position.point);
    this.#settle(courier);
  }

  noteStatus(told: ToldStatus): void {
    const courier = this.#take(told.courierId);
    if (courier !== undefined) this.#takeStatus(courier, told);
  }

  /** Takes in a row as Postgres has it now. */
  noteProfile(profile: CourierProfile): void {
    const courier = this.#take(profile.id);
    if (courier === undefined) return;
    courier.profile = profile;
    this.#bits[courier.slot] = this.#profileBits.of(profile);
    this.#takeStatus(courier, { ...profile, courierId: profile.id });
  }

  /** The nearest couriers that fit, are available and fresh: exact, the nearest first. */
  nearest({ center, radiusM, limit, filter }: NearestQuery, nowMs: number): NearestCourier[] {
    const isAnybody = isEmptyFilter(filter);
    const { anyOf, allOf } = this.#profileBits.wantedBy(filter);
    const freshSinceMs = nowMs - HIDDEN_AFTER_MS;
    const found = this.#grid.nearest(center, {
      radiusM,
      limit,
      accepts: (slot) => {
        if (this.#canBeAsked[slot] !== 1) return false;
        if ((this.#receivedAtMs[slot] ?? NEVER_MS) <= freshSinceMs) return false;
        if (isAnybody) return true;
        const bits = this.#bits[slot] ?? 0;
        if ((bits & anyOf) === 0 || (bits & allOf) !== allOf) return false;
        const profile = this.#couriers[slot]?.profile;
        return profile !== undefined && fits(profile, filter);
      },
      precedes: (slot, other) =>
        (this.#couriers[slot]?.id ?? "") < (this.#couriers[other]?.id ?? ""),
    });
    const couriers: NearestCourier[] = [];
    for (const { slot, distanceM } of found) {
      const profile = this.#couriers[slot]?.profile;
      const position = this.#grid.find(slot);
      if (profile === undefined || position === undefined) continue;
      const heardAgoMs = Math.max(0, nowMs - (this.#receivedAtMs[slot] ?? NEVER_MS));
      couriers.push({ profile, position, distanceM, heardAgoMs });
    }
    return couriers;
  }

  /** Forgets who has been silent for long, so that the memory does not grow with every courier. */
  prune(nowMs: number): void {
    for (const [courierId, slot] of this.#slots) {
      if (nowMs - (this.#receivedAtMs[slot] ?? NEVER_MS) <= FORGET_AFTER_MS) continue;
      this.#grid.remove(slot);
      this.#couriers[slot] = undefined;
      this.#canBeAsked[slot] = 0;
      this.#slots.delete(courierId);
      this.#freeSlots.push(slot);
    }
  }

  #find(courierId: string): LiveCourier | undefined {
    const slot = this.#slots.get(courierId);
    return slot === undefined ? undefined : this.#couriers[slot];
  }

  /** The courier, a new one where it is not known; undefined when there are too many. */
  #take(courierId: string): LiveCourier | undefined {
    const known = this.#find(courierId);
    if (known !== undefined) return known;
    if (this.#slots.size >= MAX_LIVE_COURIERS) return undefined;
    const slot = this.#freeSlots.pop() ?? this.#couriers.length;
    if (slot >= this.#canBeAsked.length) this.#grow();
    const courier: LiveCourier = {
      id: courierId,
      slot,
      isReturning: false,
      version: -1,
      status: "offline",
      activeAssignments: undefined,
      profile: undefined,
    };
    this.#slots.set(courierId, slot);
    this.#couriers[slot] = courier;
    this.#receivedAtMs[slot] = NEVER_MS;
    return courier;
  }

  #grow(): void {
    const size = 2 * this.#canBeAsked.length;
    const receivedAtMs = new Float64Array(size);
    receivedAtMs.set(this.#receivedAtMs);
    this.#receivedAtMs = receivedAtMs;
    const canBeAsked = new Uint8Array(size);
    canBeAsked.set(this.#canBeAsked);
    this.#canBeAsked = canBeAsked;
    const bits = new Int32Array(size);
    bits.set(this.#bits);
    this.#bits = bits;
  }

  #heardAt({ slot }: LiveCourier): number {
    return this.#receivedAtMs[slot] ?? NEVER_MS;
  }

  #takeStatus(courier: LiveCourier, told: ToldStatus): void {
    takeStatus(courier, told);
    this.#settle(courier);
  }

  /** Notes whether the courier can be asked, after anything about it has changed. */
  #settle({ slot, status, isReturning, profile }: LiveCourier): void {
    const can = status === "available" && !isReturning && profile !== undefined;
    this.#canBeAsked[slot] = can ? 1 : 0;
  }
}

/** The highest version wins; the profile says what the newest status says. */
function takeStatus(courier: LiveCourier, told: ToldStatus): void {
  if (told.version >= courier.version) {
    if (told.version > courier.version) courier.activeAssignments = undefined;
    courier.version = told.version;
    courier.status = told.status;
    courier.activeAssignments = told.activeAssignments ?? courier.activeAssignments;
  }
  const { profile, version, status } = courier;
  if (profile === undefined) return;
  const activeAssignments = courier.activeAssignments ?? profile.activeAssignments;
  if (profile.version === version && profile.activeAssignments === activeAssignments) return;
  courier.profile = { ...profile, version, status, activeAssignments };
}
