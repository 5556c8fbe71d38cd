/** What the processes of the bench of nearest couriers share. */
import type { Point } from "shared/geo/point.ts";
import { MIDDLE } from "../ingest/settings.ts";

export const COURIERS = 30_000;
export const LIMIT = 20;
/** The radius by which both sides are compared. */
export const RADIUS_M = 3_000;
/** 33 x 33 km around the middle, in degrees to each side. */
const HALF_LAT = 0.1484;
const HALF_LON = 0.2777;

export interface MoverSettings {
  readonly redisUrl: string;
  readonly prefix: string;
  /** A list of `Sender` (ingest/settings.ts). */
  readonly couriersFile: string;
  /** By the script of ingest, or by plain GEOADD. */
  readonly by: "script" | "geoadd";
  readonly movesPerS: number;
}

export interface SearcherSettings {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly prefix: string;
  readonly phases: readonly Phase[];
}

/** What is measured after one word of the parent. */
export interface Phase {
  readonly kind: "search" | "check" | "visible";
  readonly radiusM: number;
  readonly seconds: number;
  /** A skill that one courier of a hundred has. */
  readonly isRare?: boolean;
}

/** What a phase tells besides its count. */
export interface SearchFigures {
  readonly p50Us: number;
  readonly p99Us: number;
  readonly maxUs: number;
  /** How long the event loop was with others between two slices of searches. */
  readonly pauseP99Ms: number;
  readonly pauseMaxMs: number;
  /** Couriers found by all searches together. */
  readonly found: number;
  readonly mismatches: number;
  /** From the acknowledgement of a fix until a search sees it. */
  readonly visibleP50Ms: number;
  readonly visibleP99Ms: number;
  readonly visibleMaxMs: number;
}

export interface LoadFigures {
  readonly loadMs: number;
  readonly profilesMs: number;
}

export interface MoverFigures {
  readonly movesPerS: number;
  readonly refused: number;
  /** How far behind its plan the mover was at worst. */
  readonly lagMs: number;
}

/** A place in the square. */
export function randomPlace(random: () => number): Point {
  return {
    lat: MIDDLE.lat + (random() * 2 - 1) * HALF_LAT,
    lon: MIDDLE.lon + (random() * 2 - 1) * HALF_LON,
  };
}

/** A step of at most some 40 m to each side, which stays in the square. */
export function step({ lat, lon }: Point, random: () => number): Point {
  const within = (value: number, middle: number, half: number) =>
    Math.min(middle + half, Math.max(middle - half, value));
  return {
    lat: within(lat + (random() - 0.5) * 7e-4, MIDDLE.lat, HALF_LAT),
    lon: within(lon + (random() - 0.5) * 1.3e-3, MIDDLE.lon, HALF_LON),
  };
}

export function quantile(sorted: ArrayLike<number>, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}
