/**
 * A grid of cells over the segments of a street network: each cell lists the segments whose box
 * touches it. Searching goes outward in square rings and stops once nothing unseen can be nearer.
 */
import { METRES_PER_DEGREE } from "shared/geo/segment.ts";
import type { Point } from "shared/geo/point.ts";

/** About one block: in a city some ten segments share a cell. */
const CELL_M = 120;
/** Bound of memory for far-flung networks; cells grow beyond `CELL_M` there. */
const MAX_CELLS = 1 << 20;

/** Plain data; made by `createSegmentGrid`. */
export interface SegmentGrid {
  readonly south: number;
  readonly west: number;
  readonly rows: number;
  readonly columns: number;
  /** Cell size in degrees. */
  readonly latStep: number;
  readonly lonStep: number;
  /** The shorter side of the narrowest cell. */
  readonly minCellM: number;
  /** Segments of cell `c` (row by row) are `items[cellStart[c]] .. items[cellStart[c + 1] - 1]`. */
  readonly cellStart: Uint32Array;
  readonly items: Uint32Array;
}

/** The arrays of a street network that the grid reads; see `StreetNetwork`. */
export interface SegmentSource {
  readonly vertexLat: Float64Array;
  readonly vertexLon: Float64Array;
  readonly edgeStart: Uint32Array;
  readonly shape: Uint32Array;
}

/** The grid over all segments. Networks across the antimeridian or at a pole are not supported. */
export function createSegmentGrid(source: SegmentSource): SegmentGrid {
  const layout = layOut(source);
  const cellStart = new Uint32Array(layout.rows * layout.columns + 1);
  // Counting sort by cell: count, sum up, then place.
  forEachSegmentCell(source, layout, (cell) => {
    cellStart[cell + 1]!++;
  });
  for (let cell = 1; cell < cellStart.length; cell++) cellStart[cell]! += cellStart[cell - 1]!;
  const next = cellStart.slice();
  const items = new Uint32Array(cellStart[cellStart.length - 1]!);
  forEachSegmentCell(source, layout, (cell, segment) => {
    items[next[cell]!++] = segment;
  });
  return { ...layout, cellStart, items };
}

export interface NearestSegment {
  /** Index into `shape`, as everywhere. */
  readonly segment: number;
  /** Metres in the plane around the point asked for. */
  readonly distanceM: number;
}

/**
 * The nearest segment that `accepts` allows within `withinM`, or null. Equally near ones: the lowest
 * number. Cost grows with the square of `withinM` where nothing is found.
 */
export function findNearestSegment(
  source: SegmentSource & { readonly grid: SegmentGrid },
  point: Point,
  { withinM, accepts }: { withinM: number; accepts: (segment: number) => boolean },
): NearestSegment | null {
  const { grid } = source;
  const row = Math.floor((point.lat - grid.south) / grid.latStep);
  const column = Math.floor((point.lon - grid.west) / grid.lonStep);
  const measure = planarMeasure(source, point);
  const lastRing = Math.ceil(withinM / grid.minCellM) + 1;
  let bestSegment = -1;
  let bestSquared = withinM * withinM;
  const visit = (cell: number) => {
    for (let i = grid.cellStart[cell]!; i < grid.cellStart[cell + 1]!; i++) {
      const segment = grid.items[i]!;
      const squared = measure(segment);
      if (squared > bestSquared) continue;
      if (squared === bestSquared && bestSegment !== -1 && segment >= bestSegment) continue;
      if (!accepts(segment)) continue;
      bestSegment = segment;
      bestSquared = squared;
    }
  };
  for (let ring = 0; ring <= lastRing; ring++) {
    forEachRingCell(grid, row, column, ring, visit);
    const seenM = ring * grid.minCellM;
    if (bestSegment !== -1 && bestSquared <= seenM * seenM) break;
  }
  return bestSegment === -1 ? null : { segment: bestSegment, distanceM: Math.sqrt(bestSquared) };
}

type Layout = Omit<SegmentGrid, "cellStart" | "items">;

function layOut({ vertexLat, vertexLon }: SegmentSource): Layout {
  const south = min(vertexLat), north = -min(vertexLat.map((lat) => -lat));
  const west = min(vertexLon), east = -min(vertexLon.map((lon) => -lon));
  const widestLat = Math.max(Math.abs(south), Math.abs(north));
  const lonMetres = METRES_PER_DEGREE * Math.cos(widestLat * Math.PI / 180);
  const heightM = (north - south) * METRES_PER_DEGREE, widthM = (east - west) * lonMetres;
  const cellM = Math.max(CELL_M, Math.sqrt(heightM * widthM / MAX_CELLS));
  const latStep = cellM / METRES_PER_DEGREE, lonStep = cellM / lonMetres;
  return {
    south,
    west,
    rows: Math.floor((north - south) / latStep) + 1,
    columns: Math.floor((east - west) / lonStep) + 1,
    latStep,
    lonStep,
    minCellM: cellM,
  };
}

function min(values: Float64Array): number {
  return values.reduce((least, value) => Math.min(least, value), Infinity);
}

function forEachSegmentCell(
  { vertexLat, vertexLon, edgeStart, shape }: SegmentSource,
  { south, west, latStep, lonStep, columns }: Layout,
  visit: (cell: number, segment: number) => void,
): void {
  for (let edge = 0; edge + 1 < edgeStart.length; edge++) {
    for (let segment = edgeStart[edge]!; segment < edgeStart[edge + 1]! - 1; segment++) {
      const a = shape[segment]!, b = shape[segment + 1]!;
      const rowA = Math.floor((vertexLat[a]! - south) / latStep);
      const rowB = Math.floor((vertexLat[b]! - south) / latStep);
      const columnA = Math.floor((vertexLon[a]! - west) / lonStep);
      const columnB = Math.floor((vertexLon[b]! - west) / lonStep);
      for (let row = Math.min(rowA, rowB); row <= Math.max(rowA, rowB); row++) {
        const first = row * columns;
        const last = first + Math.max(columnA, columnB);
        for (let cell = first + Math.min(columnA, columnB); cell <= last; cell++) {
          visit(cell, segment);
        }
      }
    }
  }
}

/** Visits the cells of the square ring that lie on the grid; the point itself may lie off it. */
function forEachRingCell(
  { rows, columns }: SegmentGrid,
  row: number,
  column: number,
  ring: number,
  visit: (cell: number) => void,
): void {
  const top = Math.min(rows - 1, row + ring), left = column - ring, right = column + ring;
  for (let r = Math.max(0, row - ring); r <= top; r++) {
    if (Math.abs(r - row) === ring) {
      const end = Math.min(columns - 1, right);
      for (let c = Math.max(0, left); c <= end; c++) visit(r * columns + c);
    } else {
      if (left >= 0 && left < columns) visit(r * columns + left);
      if (right >= 0 && right < columns) visit(r * columns + right);
    }
  }
}

/** Squared planar metres from `point` to a segment; same plane as `projectOntoSegment`. */
function planarMeasure(
  { vertexLat, vertexLon, shape }: SegmentSource,
  point: Point,
): (segment: number) => number {
  const lonMetres = METRES_PER_DEGREE * Math.cos(point.lat * Math.PI / 180);
  return (segment) => {
    const a = shape[segment]!, b = shape[segment + 1]!;
    const ax = (vertexLon[a]! - point.lon) * lonMetres;
    const ay = (vertexLat[a]! - point.lat) * METRES_PER_DEGREE;
    const dx = (vertexLon[b]! - vertexLon[a]!) * lonMetres;
    const dy = (vertexLat[b]! - vertexLat[a]!) * METRES_PER_DEGREE;
    const lengthSquared = dx * dx + dy * dy;
    const along = lengthSquared === 0
      ? 0
      : Math.max(0, Math.min(1, -(ax * dx + ay * dy) / lengthSquared));
    const x = ax + along * dx, y = ay + along * dy;
    return x * x + y * y;
  };
}
