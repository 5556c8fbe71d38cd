/**
 * Points that move, and the exact k nearest of those that a caller accepts.
 *
 * Points are numbered by the caller (slots, dense from 0). All is in typed arrays: a move writes a
 * few numbers, a search makes no garbage but its answer. The points of a cell are a linked list;
 * cells are found by a hash of their number, so that the grid spans the Earth and costs memory only
 * for its points.
 *
 * A search looks at growing circles around the centre. All cells that a circle touches are visited,
 * so every point within its reach has been seen; once the k-th best is within it, nothing outside
 * can be nearer. A search whose circle has more cells than there are points looks at the points one
 * after the other instead, which bounds a search for something rare.
 */
import { distanceM } from "shared/geo/distance.ts";
import { EARTH_RADIUS_M, type Point } from "shared/geo/point.ts";
import { type Cap, capOf, cellAt, cellCountOf, cellOf, columnAt, columnsOf } from "./cells.ts";

/** Farthest that anybody may search. */
export const MAX_RADIUS_M = 100_000;
/** Most that one search may find. */
export const MAX_FOUND = 1_000;

const FIRST_REACH_M = 300;
/** Each circle has about twice the area of the one before. */
const REACH_GROWTH = Math.SQRT2;
const RADIANS_PER_DEGREE = Math.PI / 180;
/** Added to squared chords before they rule a point out: their rounding, many times over. */
const CHORD_MARGIN = 1e-15;
const NONE = -1;
const MIN_SLOTS = 1_024;

export interface Wanted {
  readonly radiusM: number;
  readonly limit: number;
  /** Asked only of points that are near enough to count. */
  accepts(slot: number): boolean;
  /** Which of two points at the same distance comes first. */
  precedes(slot: number, other: number): boolean;
}

export interface Found {
  readonly slot: number;
  readonly distanceM: number;
}

/** The search that is under way. */
interface Search extends Wanted {
  readonly center: Point;
  readonly x: number;
  readonly y: number;
  readonly z: number;
  /** The best so far, the nearest first. */
  readonly found: Found[];
  /** Squared chord (of the unit sphere) beyond which a point cannot count. */
  chord: number;
}

export class PointGrid {
  /** Latitude and longitude of each slot. */
  #degrees = new Float64Array(2 * MIN_SLOTS);
  /**
   * The same on the unit sphere, three numbers each: the squared chord between two points orders
   * them as their distance does. Side by side, because a search waits for memory, not for sums.
   */
  #unit = new Float64Array(3 * MIN_SLOTS);
  #cell = new Uint32Array(MIN_SLOTS);
  #isPlaced = new Uint8Array(MIN_SLOTS);
  #next = new Int32Array(MIN_SLOTS);
  #previous = new Int32Array(MIN_SLOTS);
  #heads = new Int32Array(2 * MIN_SLOTS).fill(NONE);
  #end = 0;
  #count = 0;

  /** How many points there are. */
  get count(): number {
    return this.#count;
  }

  /** Puts a point where it now is. */
  place(slot: number, { lat, lon }: Point): void {
    if (slot >= this.#cell.length) this.#grow(slot + 1);
    const cell = cellAt(lat, lon);
    if (this.#isPlaced[slot] === 1) {
      if (this.#cell[slot] !== cell) {
        this.#unlink(slot);
        this.#link(slot, cell);
      }
    } else {
      this.#isPlaced[slot] = 1;
      this.#count++;
      if (slot >= this.#end) this.#end = slot + 1;
      this.#link(slot, cell);
    }
    const cosLat = Math.cos(lat * RADIANS_PER_DEGREE);
    this.#degrees[2 * slot] = lat;
    this.#degrees[2 * slot + 1] = lon;
    this.#unit[3 * slot] = cosLat * Math.cos(lon * RADIANS_PER_DEGREE);
    this.#unit[3 * slot + 1] = cosLat * Math.sin(lon * RADIANS_PER_DEGREE);
    this.#unit[3 * slot + 2] = Math.sin(lat * RADIANS_PER_DEGREE);
  }

  /** Takes a point out; its slot may be used again. */
  remove(slot: number): void {
    if (this.#isPlaced[slot] !== 1) return;
    this.#unlink(slot);
    this.#isPlaced[slot] = 0;
    this.#count--;
  }

  /** Where a point is; undefined for one that is not in the grid. */
  find(slot: number): Point | undefined {
    if (this.#isPlaced[slot] !== 1) return undefined;
    return this.#pointOf(slot);
  }

  /**
   * The nearest points that are accepted, at most `limit` and none beyond `radiusM`, the nearest
   * first. Distances are those of `shared/geo`.
   *
   * @throws RangeError for a radius or a limit beyond its bound.
   */
  nearest(center: Point, wanted: Wanted): Found[] {
    const search = begin(center, wanted);
    const { found, radiusM, limit } = search;
    let inner: Cap | undefined;
    for (let reachM = FIRST_REACH_M;; reachM *= REACH_GROWTH) {
      const cap = capOf(center, Math.min(reachM, radiusM));
      if (cellCountOf(cap) > this.#count) {
        this.#scan(search);
        return found;
      }
      this.#visit(search, cap, inner);
      const last = found[limit - 1];
      if (reachM >= radiusM || (last !== undefined && last.distanceM <= cap.reachM)) return found;
      inner = cap;
    }
  }

  /** Looks into the cells of a cap that were not among those of an inner one. */
  #visit(search: Search, cap: Cap, inner: Cap | undefined): void {
    for (let row = cap.firstRow; row <= cap.lastRow; row++) {
      const columns = columnsOf(row);
      let first = columnAt(row, cap.west);
      let last = columnAt(row, cap.east);
      if (cap.isAround || last - first >= columns) {
        first = 0;
        last = columns - 1;
      }
      if (inner === undefined || row < inner.firstRow || row > inner.lastRow) {
        this.#visitSpan(search, row, first, last);
        continue;
      }
      const seenFirst = columnAt(row, inner.west);
      const seenLast = columnAt(row, inner.east);
      // The whole row was seen before.
      if (inner.isAround || seenLast - seenFirst >= columns - 1) continue;
      if (last - first >= columns - 1) {
        this.#visitSpan(search, row, seenLast + 1, seenFirst - 1 + columns);
      } else {
        this.#visitSpan(search, row, first, seenFirst - 1);
        this.#visitSpan(search, row, seenLast + 1, last);
      }
    }
  }

  #visitSpan(search: Search, row: number, first: number, last: number): void {
    for (let column = first; column <= last; column++) {
      const cell = cellOf(row, column);
      let slot = this.#heads[this.#bucketOf(cell)] ?? NONE;
      while (slot !== NONE) {
        // Other cells may have the same bucket.
        if (this.#cell[slot] === cell) this.#consider(search, slot);
        slot = this.#next[slot] ?? NONE;
      }
    }
  }

  #scan(search: Search): void {
    search.found.length = 0;
    search.chord = chordOf(search.radiusM);
    for (let slot = 0; slot < this.#end; slot++) {
      if (this.#isPlaced[slot] === 1) this.#consider(search, slot);
    }
  }

  #consider(search: Search, slot: number): void {
    const dx = (this.#unit[3 * slot] ?? 0) - search.x;
    const dy = (this.#unit[3 * slot + 1] ?? 0) - search.y;
    const dz = (this.#unit[3 * slot + 2] ?? 0) - search.z;
    if (dx * dx + dy * dy + dz * dz > search.chord) return;
    if (!search.accepts(slot)) return;
    const lengthM = distanceM(search.center, this.#pointOf(slot));
    if (lengthM <= search.radiusM) insert(search, { slot, distanceM: lengthM });
  }

  #pointOf(slot: number): Point {
    return { lat: this.#degrees[2 * slot] ?? NaN, lon: this.#degrees[2 * slot + 1] ?? NaN };
  }

  #link(slot: number, cell: number): void {
    const bucket = this.#bucketOf(cell);
    const head = this.#heads[bucket] ?? NONE;
    this.#cell[slot] = cell;
    this.#next[slot] = head;
    this.#previous[slot] = NONE;
    if (head !== NONE) this.#previous[head] = slot;
    this.#heads[bucket] = slot;
  }

  #unlink(slot: number): void {
    const next = this.#next[slot] ?? NONE;
    const previous = this.#previous[slot] ?? NONE;
    if (next !== NONE) this.#previous[next] = previous;
    if (previous === NONE) this.#heads[this.#bucketOf(this.#cell[slot] ?? 0)] = next;
    else this.#next[previous] = next;
  }

  /** Multiplicative hashing (Knuth, TAOCP 3, 6.4): neighbouring cells get buckets far apart. */
  #bucketOf(cell: number): number {
    return Math.imul(cell, 0x9e3779b1) >>> Math.clz32(this.#heads.length - 1);
  }

  #grow(slots: number): void {
    let size = this.#cell.length;
    while (size < slots) size *= 2;
    const longer = <Numbers extends Float64Array | Int32Array | Uint32Array | Uint8Array>(
      from: Numbers,
      into: Numbers,
    ) => {
      into.set(from);
      return into;
    };
    this.#degrees = longer(this.#degrees, new Float64Array(2 * size));
    this.#unit = longer(this.#unit, new Float64Array(3 * size));
    this.#cell = longer(this.#cell, new Uint32Array(size));
    this.#isPlaced = longer(this.#isPlaced, new Uint8Array(size));
    this.#next = longer(this.#next, new Int32Array(size));
    this.#previous = longer(this.#previous, new Int32Array(size));
    this.#heads = new Int32Array(2 * size).fill(NONE);
    for (let slot = 0; slot < this.#end; slot++) {
      if (this.#isPlaced[slot] === 1) this.#link(slot, this.#cell[slot] ?? 0);
    }
  }
}

function begin(center: Point, wanted: Wanted): Search {
  const { radiusM, limit } = wanted;
  if (!(radiusM >= 0 && radiusM <= MAX_RADIUS_M)) {
    throw new RangeError(
      `Cannot search: radiusM must be in [0, ${MAX_RADIUS_M}]: current value is ${radiusM}`,
    );
  }
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_FOUND) {
    throw new RangeError(
      `Cannot search: limit must be in [1, ${MAX_FOUND}]: current value is ${limit}`,
    );
  }
  const cosLat = Math.cos(center.lat * RADIANS_PER_DEGREE);
  return {
    radiusM,
    limit,
    accepts: wanted.accepts,
    precedes: wanted.precedes,
    center,
    x: cosLat * Math.cos(center.lon * RADIANS_PER_DEGREE),
    y: cosLat * Math.sin(center.lon * RADIANS_PER_DEGREE),
    z: Math.sin(center.lat * RADIANS_PER_DEGREE),
    found: [],
    chord: chordOf(radiusM),
  };
}

/** Keeps the best in order; there are few, so that moving them up is cheaper than a heap. */
function insert(search: Search, candidate: Found): void {
  const { found, limit } = search;
  let at = found.length;
  if (at === limit) {
    const last = found[at - 1];
    if (last !== undefined && !comesFirst(search, candidate, last)) return;
    at--;
  }
  while (at > 0) {
    const before = found[at - 1];
    if (before === undefined || !comesFirst(search, candidate, before)) break;
    found[at] = before;
    at--;
  }
  found[at] = candidate;
  const last = found[limit - 1];
  if (last !== undefined) search.chord = chordOf(last.distanceM);
}

function comesFirst({ precedes }: Search, a: Found, b: Found): boolean {
  if (a.distanceM !== b.distanceM) return a.distanceM < b.distanceM;
  return precedes(a.slot, b.slot);
}

/** The squared chord of a distance, a little more. */
function chordOf(lengthM: number): number {
  const half = Math.sin(lengthM / EARTH_RADIUS_M / 2);
  return 4 * half * half * (1 + 1e-9) + CHORD_MARGIN;
}
