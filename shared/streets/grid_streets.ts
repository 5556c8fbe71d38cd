import type { Point } from "shared/geo/point.ts";
import { METRES_PER_DEGREE } from "shared/geo/segment.ts";
import { ACCESS, type StreetClass, type StreetWay } from "shared/streets/street_way.ts";

/** A made-up town: streets in rows (west to east) and columns (south to north). */
export interface GridStreets {
  /** South-west corner. */
  readonly origin: Point;
  /** Streets, not blocks; 12 x 12 streets make 11 x 11 blocks. */
  readonly rows: number;
  readonly columns: number;
  readonly blockM: number;
  /** Every n-th street is one-way, alternately with and against its points; 0 for none. */
  readonly oneWayEvery: number;
  readonly maxSpeedKmh: number;
}

const BOTH_WAYS = ACCESS.carForward | ACCESS.carBackward |
  ACCESS.motorcycleForward | ACCESS.motorcycleBackward |
  ACCESS.bicycleForward | ACCESS.bicycleBackward | ACCESS.foot;
const ONE_WAY = ACCESS.carForward | ACCESS.motorcycleForward | ACCESS.bicycleForward | ACCESS.foot;

/**
 * The streets of the town. Outer streets are both-way `secondary` roads, so that every place can be
 * reached whatever the one-ways; a footpath crosses the middle block, so that profiles differ.
 */
export function gridStreets(town: GridStreets): StreetWay[] {
  const ways: StreetWay[] = [];
  for (let row = 0; row < town.rows; row++) {
    const points = range(town.columns).map((column) => corner(town, row, column));
    ways.push(street(town, points, { index: row, count: town.rows, name: `Row ${row + 1}` }));
  }
  for (let column = 0; column < town.columns; column++) {
    const points = range(town.rows).map((row) => corner(town, row, column));
    const name = `Column ${column + 1}`;
    ways.push(street(town, points, { index: column, count: town.columns, name }));
  }
  const row = Math.floor((town.rows - 1) / 2), column = Math.floor((town.columns - 1) / 2);
  ways.push({
    streetClass: "footway",
    access: ACCESS.foot | ACCESS.bicyclePush,
    maxSpeedKmh: 0,
    name: "Park Path",
    points: [corner(town, row, column), corner(town, row + 1, column + 1)],
  });
  return ways;
}

function street(
  town: GridStreets,
  points: readonly Point[],
  { index, count, name }: { index: number; count: number; name: string },
): StreetWay {
  const outer = index === 0 || index === count - 1;
  const streetClass: StreetClass = outer ? "secondary" : "residential";
  const oneWay = !outer && town.oneWayEvery > 0 && index % town.oneWayEvery === 0;
  const against = oneWay && (index / town.oneWayEvery) % 2 === 0;
  return {
    streetClass,
    access: oneWay ? ONE_WAY : BOTH_WAYS,
    maxSpeedKmh: town.maxSpeedKmh,
    name,
    points: against ? points.toReversed() : points,
  };
}

function corner({ origin, blockM }: GridStreets, row: number, column: number): Point {
  const lonMetres = METRES_PER_DEGREE * Math.cos(origin.lat * Math.PI / 180);
  return {
    lat: origin.lat + row * blockM / METRES_PER_DEGREE,
    lon: origin.lon + column * blockM / lonMetres,
  };
}

function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}
