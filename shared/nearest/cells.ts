/**
 * The cells of the grid: rows of equal height from pole to pole, each cut into as many columns as
 * make its cells about square, at every latitude. Longitudes are counted on past the antimeridian,
 * so that a span of columns is one interval; a column is taken modulo the row's count at the end.
 */
import { EARTH_RADIUS_M, type Point } from "shared/geo/point.ts";

/** 556 m of latitude: some 8 of 30,000 couriers in a city of 33 x 33 km. */
const ROWS_PER_DEGREE = 200;
const ROWS = 180 * ROWS_PER_DEGREE;
const COLUMNS_AT_EQUATOR = 360 * ROWS_PER_DEGREE;
const RADIANS_PER_DEGREE = Math.PI / 180;
/**
 * About a millimetre: what is at exactly the reach stays inside, whatever the rounding. It is a
 * millionth of a cell, and far more than the error of the divisions below.
 */
const MARGIN_DEG = 1e-8;

const COLUMNS = Int32Array.from({ length: ROWS }, (_, row) => {
  const lat = (row + 0.5) / ROWS_PER_DEGREE - 90;
  return Math.max(1, Math.round(COLUMNS_AT_EQUATOR * Math.cos(lat * RADIANS_PER_DEGREE)));
});

/** How many cells a row has. */
export function columnsOf(row: number): number {
  return COLUMNS[row] ?? 1;
}

/** The row of a latitude. */
export function rowOf(lat: number): number {
  return Math.min(ROWS - 1, Math.max(0, Math.floor((lat + 90) * ROWS_PER_DEGREE)));
}

/** The column of a longitude, counted on past the row's last one. */
export function columnAt(row: number, lon: number): number {
  return Math.floor((lon + 180) * columnsOf(row) / 360);
}

/** The number of a cell, below 2^32. */
export function cellOf(row: number, column: number): number {
  const columns = columnsOf(row);
  const inRow = column % columns;
  return row * COLUMNS_AT_EQUATOR + (inRow < 0 ? inRow + columns : inRow);
}

/** The number of the cell that holds a place. */
export function cellAt(lat: number, lon: number): number {
  const row = rowOf(lat);
  return cellOf(row, columnAt(row, lon));
}

/** Rows and longitudes that together hold every point within a reach of a centre. */
export interface Cap {
  readonly reachM: number;
  readonly firstRow: number;
  readonly lastRow: number;
  readonly west: number;
  readonly east: number;
  /** It holds a pole, or reaches round the Earth on some latitude: every longitude counts. */
  readonly isAround: boolean;
}

/**
 * The bounding box of a circle on the sphere (J. P. Matuschek, "Finding Points Within a Distance of
 * a Latitude/Longitude Using Bounding Coordinates"). Its longitudes may pass the antimeridian.
 */
export function capOf(center: Point, reachM: number): Cap {
  const angle = reachM / EARTH_RADIUS_M;
  const latDeg = angle / RADIANS_PER_DEGREE + MARGIN_DEG;
  const south = center.lat - latDeg;
  const north = center.lat + latDeg;
  const ratio = Math.sin(angle) / Math.cos(center.lat * RADIANS_PER_DEGREE);
  const isAround = south <= -90 || north >= 90 || !(ratio < 1);
  const lonDeg = isAround ? 180 : Math.asin(ratio) / RADIANS_PER_DEGREE + MARGIN_DEG;
  return {
    reachM,
    firstRow: rowOf(south),
    lastRow: rowOf(north),
    west: center.lon - lonDeg,
    east: center.lon + lonDeg,
    isAround: isAround || lonDeg >= 180,
  };
}

/** About how many cells a cap has. */
export function cellCountOf({ firstRow, lastRow, west, east, isAround }: Cap): number {
  const rows = lastRow - firstRow + 1;
  const columns = columnsOf((firstRow + lastRow) >> 1);
  return rows * (isAround ? columns : Math.min(columns, (east - west) * columns / 360 + 1));
}
