/** Whether a list of points is a polygon: a ring that does not touch or cross itself. */
import type { Point } from "./point.ts";
import { normalizeLonDeg } from "./point.ts";

export type RingProblem =
  | { readonly code: "too_few_points" }
  /** A point that stands twice in the ring. */
  | { readonly code: "repeated_point"; readonly index: number }
  /** Edges that touch or cross; an edge has the index of its first point. */
  | { readonly code: "edges_cross"; readonly edges: readonly [number, number] }
  /** A point more than 180 degrees of longitude from the first, where left and right are unclear. */
  | { readonly code: "too_wide"; readonly index: number };

const MIN_POINTS = 3;

/** An open ring: without the repeated first point with which GeoJSON closes it. */
export function openRing(points: readonly Point[]): Point[] {
  const first = points[0];
  const last = points.at(-1);
  const isClosed = points.length > 1 && first !== undefined && last !== undefined &&
    isSame(first, last);
  return isClosed ? points.slice(0, -1) : [...points];
}

/**
 * What is wrong with an open ring, in the words of `polygonContains`: straight lines in degrees,
 * longitudes relative to the first point. Every pair of edges is looked at, so callers bound the
 * number of points.
 */
export function findRingProblem(ring: readonly Point[]): RingProblem | undefined {
  const origin = ring[0];
  if (origin === undefined || ring.length < MIN_POINTS) return { code: "too_few_points" };
  const flat = ring.map(({ lat, lon }) => ({ y: lat, x: normalizeLonDeg(lon - origin.lon) }));
  const minX = Math.min(...flat.map(({ x }) => x));
  const wide = flat.findIndex(({ x }) => x - minX >= 180);
  if (wide !== -1) return { code: "too_wide", index: wide };
  const seen = new Set<string>();
  for (const [index, { x, y }] of flat.entries()) {
    const key = `${x} ${y}`;
    if (seen.has(key)) return { code: "repeated_point", index };
    seen.add(key);
  }
  for (let i = 0; i < flat.length; i++) {
    for (let j = i + 1; j < flat.length; j++) {
      if (edgesMeet(flat, i, j)) return { code: "edges_cross", edges: [i, j] };
    }
  }
  return undefined;
}

interface Flat {
  readonly x: number;
  readonly y: number;
}

/** Whether two edges share more than the corner that neighbours have in common. */
function edgesMeet(flat: readonly Flat[], i: number, j: number): boolean {
  const count = flat.length;
  const [a, b] = [flat[i], flat[(i + 1) % count]];
  const [c, d] = [flat[j], flat[(j + 1) % count]];
  if (a === undefined || b === undefined || c === undefined || d === undefined) return false;
  // Neighbours meet in their corner; they go wrong only by lying on one another.
  if (j === i + 1) return turn(a, b, d) === 0 && (isOn(a, b, d) || isOn(c, d, a));
  if (i === 0 && j === count - 1) return turn(c, a, b) === 0 && (isOn(c, d, b) || isOn(a, b, c));
  const [abc, abd] = [turn(a, b, c), turn(a, b, d)];
  const [cda, cdb] = [turn(c, d, a), turn(c, d, b)];
  if (abc !== abd && cda !== cdb && abc * abd <= 0 && cda * cdb <= 0) return true;
  return abc === 0 && isOn(a, b, c) || abd === 0 && isOn(a, b, d) ||
    cda === 0 && isOn(c, d, a) || cdb === 0 && isOn(c, d, b);
}

/** Which way one turns at `b` from `a` to `c`: 1 left, -1 right, 0 straight on or back. */
function turn(a: Flat, b: Flat, c: Flat): number {
  return Math.sign((b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x));
}

/** Whether `c`, which is on the line through `a` and `b`, lies between them. */
function isOn(a: Flat, b: Flat, c: Flat): boolean {
  return Math.min(a.x, b.x) <= c.x && c.x <= Math.max(a.x, b.x) &&
    Math.min(a.y, b.y) <= c.y && c.y <= Math.max(a.y, b.y);
}

function isSame(a: Point, b: Point): boolean {
  return a.lat === b.lat && a.lon === b.lon;
}
