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
  type NearestCourier,
  type NearestQuery,
} from "./nearest_couriers.ts";
import { PointGrid } from "./point_grid.ts";

/** Couriers of one partition; a newcomer beyond them is not taken in until others are forgotten. */
export const MAX_LIVE_COURIERS = 200_000;
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
  receivedAtMs: number;
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
    const slot = this.#slots.get(courierId);
    const courier = slot === undefined ? undefined : this.#couriers[slot];
    const point = slot === undefined ? undefined : this.#grid.find(slot);
    if (courier === undefined || point === undefined) return undefined;
    return { point, receivedAtMs: courier.isReturning ? NEVER_MS : courier.receivedAtMs };
  }

  hasProfile(courierId: string): boolean {
    const slot = this.#slots.get(courierId);
    return slot !== undefined && this.#couriers[slot]?.profile !== undefined;
  }

  /** Takes in what was heard, in the order of the stream: the script has judged what is newest. */
  apply(couriers: readonly StreamedCourier[]): void {
    for (const { courierId, place, isReturning, receivedAtMs, status, version } of couriers) {
      const slot = this.#slotOf(courierId);
      const courier = slot === undefined ? undefined : this.#couriers[slot];
      if (slot === undefined || courier === undefined) continue;
      takeStatus(courier, { courierId, status, version });
      courier.isReturning = isReturning;
      courier.receivedAtMs = this.toMonotonicMs(receivedAtMs);
      if (place !== undefined) this.#grid.place(slot, place);
    }
  }

  /** Takes in a place from elsewhere than the stream, where it is newer than what is known. */
  note(courierId: string, position: KnownPosition & { readonly isReturning: boolean }): void {
    const slot = this.#slotOf(courierId);
    const courier = slot === undefined ? undefined : this.#couriers[slot];
    if (slot === undefined || courier === undefined) return;
    if (this.#grid.find(slot) !== undefined && courier.receivedAtMs >= position.receivedAtMs) {
      return;
    }
    courier.isReturning = position.isReturning;
    courier.receivedAtMs = position.receivedAtMs;
    this.#grid.place(slot, position.point);
  }

  noteStatus(told: ToldStatus): void {
    const slot = this.#slotOf(told.courierId);
    const courier = slot === undefined ? undefined : this.#couriers[slot];
    if (courier !== undefined) takeStatus(courier, told);
  }

  /** Takes in a row as Postgres has it now. */
  noteProfile(profile: CourierProfile): void {
    const slot = this.#slotOf(profile.id);
    const courier = slot === undefined ? undefined : this.#couriers[slot];
    if (courier === undefined) return;
    courier.profile = profile;
    takeStatus(courier, { ...profile, courierId: profile.id });
  }

  /** The nearest couriers that fit, are available and fresh: exact, the nearest first. */
  nearest({ center, radiusM, limit, filter }: NearestQuery, nowMs: number): NearestCourier[] {
    const found = this.#grid.nearest(center, {
      radiusM,
      limit,
      accepts: (slot) => {
        const courier = this.#couriers[slot];
        return courier !== undefined && courier.status === "available" && !courier.isReturning &&
          nowMs - courier.receivedAtMs < HIDDEN_AFTER_MS && courier.profile !== undefined &&
          fits(courier.profile, filter);
      },
      precedes: (slot, other) =>
        (this.#couriers[slot]?.id ?? "") < (this.#couriers[other]?.id ?? ""),
    });
    return found.flatMap(({ slot, distanceM }) => {
      const courier = this.#couriers[slot];
      const position = this.#grid.find(slot);
      if (courier?.profile === undefined || position === undefined) return [];
      const heardAgoMs = Math.max(0, nowMs - courier.receivedAtMs);
      return [{ profile: courier.profile, position, distanceM, heardAgoMs }];
    });
  }

  /** Forgets who has been silent for long, so that the memory does not grow with every courier. */
  prune(nowMs: number): void {
    for (const [courierId, slot] of this.#slots) {
      const courier = this.#couriers[slot];
      if (courier !== undefined && nowMs - courier.receivedAtMs <= FORGET_AFTER_MS) continue;
      this.#grid.remove(slot);
      this.#couriers[slot] = undefined;
      this.#slots.delete(courierId);
      this.#freeSlots.push(slot);
    }
  }

  #slotOf(courierId: string): number | undefined {
    const known = this.#slots.get(courierId);
    if (known !== undefined) return known;
    if (this.#slots.size >= MAX_LIVE_COURIERS) return undefined;
    const slot = this.#freeSlots.pop() ?? this.#couriers.length;
    this.#slots.set(courierId, slot);
    this.#couriers[slot] = {
      id: courierId,
      receivedAtMs: NEVER_MS,
      isReturning: false,
      version: -1,
      status: "offline",
      activeAssignments: undefined,
      profile: undefined,
    };
    return slot;
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
