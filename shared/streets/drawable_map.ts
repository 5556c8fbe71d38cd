import type { Bounds } from "shared/geo/area.ts";
import type { Point } from "shared/geo/point.ts";
import { simplifyLine } from "shared/geo/polyline.ts";
import {
  edgeNodes,
  edgeStreetClass,
  type StreetNetwork,
  vertexPoint,
} from "shared/streets/street_network.ts";
import type { StreetClass } from "shared/streets/street_way.ts";

/** How a line is drawn, from the widest to the finest. */
export const MAP_CLASSES = ["motorway", "main", "street", "service", "path"] as const;
export type MapClass = typeof MAP_CLASSES[number];

/**
 * The streets of a city for drawing, as plain JSON.
 *
 * `points` of a line is a flat list of integers `[x0, y0, dx1, dy1, dx2, dy2, ...]`: the first pair
 * is the start, every other pair the step from the point before. A unit is `unitsPerDegree`^-1
 * degrees, counted east and north from the south-west corner of `bounds`:
 *
 *     lon = bounds.west + x / unitsPerDegree      lat = bounds.south + y / unitsPerDegree
 *
 * Lines come grouped by class in the order to paint them: finest first, so that main roads lie on
 * top. `attribution` must be shown on the map.
 */
export interface DrawableMap {
  readonly version: 1;
  readonly attribution: string;
  readonly bounds: Bounds;
  readonly unitsPerDegree: number;
  readonly lines: readonly DrawableLine[];
}

export interface DrawableLine {
  readonly class: MapClass;
  readonly points: readonly number[];
  /** The street's name, for a label along the line; absent where it has none. */
  readonly name?: string;
}

/** About 1.1 m: finer than a pixel at any zoom where a whole street is in view. */
const UNITS_PER_DEGREE = 1e5;
/** Lines may leave the street's true course by this much. */
const TOLERANCE_M = 3;

const MAP_CLASS: Readonly<Record<StreetClass, MapClass>> = {
  motorway: "motorway",
  motorway_link: "motorway",
  trunk: "motorway",
  trunk_link: "motorway",
  primary: "main",
  primary_link: "main",
  secondary: "main",
  secondary_link: "main",
  tertiary: "main",
  tertiary_link: "main",
  unclassified: "street",
  residential: "street",
  living_street: "street",
  road: "street",
  pedestrian: "street",
  service: "service",
  track: "path",
  cycleway: "path",
  footway: "path",
  path: "path",
  bridleway: "path",
  steps: "path",
};

/** The whole network as lines; see `DrawableMap` for the format. Equal networks give equal maps. */
export function drawableMap(network: StreetNetwork): DrawableMap {
  const bounds = outward(network.bounds);
  const lines: DrawableLine[] = [];
  for (const mapClass of MAP_CLASSES.toReversed()) {
    for (const { vertices, name } of chains(network, mapClass)) {
      const line = vertices.map((vertex) => vertexPoint(network, vertex));
      const points = encodeLine(simplifyLine(line, TOLERANCE_M), bounds);
      if (points.length < 4) continue;
      lines.push({ class: mapClass, points, ...(name === "" ? {} : { name }) });
    }
  }
  return {
    version: 1,
    attribution: network.attribution,
    bounds,
    unitsPerDegree: UNITS_PER_DEGREE,
    lines,
  };
}

/** The points of a line of a map, for whoever reads one. */
export function decodeLine(map: DrawableMap, line: DrawableLine): Point[] {
  const points: Point[] = [];
  let x = 0, y = 0;
  for (let i = 0; i + 1 < line.points.length; i += 2) {
    x += line.points[i]!;
    y += line.points[i + 1]!;
    points.push({
      lat: map.bounds.south + y / map.unitsPerDegree,
      lon: map.bounds.west + x / map.unitsPerDegree,
    });
  }
  return points;
}

/** Edges of one class and name, joined end to end. */
interface Chain {
  readonly vertices: number[];
  readonly name: string;
}

/**
 * Edges of one class joined where just two of them meet and both have one name: fewer and longer
 * lines, which simplify better, weigh less and leave room for a label.
 */
function chains(network: StreetNetwork, mapClass: MapClass): Chain[] {
  const edgesAt = new Map<number, number[]>();
  const wanted: number[] = [];
  for (let edge = 0; edge < network.edgeCount; edge++) {
    if (MAP_CLASS[edgeStreetClass(network, edge)] !== mapClass) continue;
    wanted.push(edge);
    const { from, to } = edgeNodes(network, edge);
    for (const node of [from, to]) {
      const edges = edgesAt.get(node);
      if (edges === undefined) edgesAt.set(node, [edge]);
      else edges.push(edge);
    }
  }
  const used = new Set<number>();
  const lines: Chain[] = [];
  for (const edge of wanted) {
    if (used.has(edge)) continue;
    used.add(edge);
    const vertices = verticesOf(network, edge);
    const nameIndex = network.edgeName[edge]!;
    extend(network, vertices, nameIndex, { edgesAt, used });
    vertices.reverse();
    extend(network, vertices, nameIndex, { edgesAt, used });
    lines.push({ vertices, name: network.names[nameIndex]! });
  }
  return lines;
}

/** Appends to `line` as long as exactly one unused edge of the same name goes on from its end. */
function extend(
  network: StreetNetwork,
  line: number[],
  nameIndex: number,
  { edgesAt, used }: { edgesAt: ReadonlyMap<number, readonly number[]>; used: Set<number> },
): void {
  // Each round uses up an edge, so there are at most as many rounds as edges.
  for (;;) {
    const end = line[line.length - 1]!;
    const meeting = edgesAt.get(end) ?? [];
    const next = meeting.find((edge) => !used.has(edge));
    if (meeting.length !== 2 || next === undefined) return;
    if (network.edgeName[next] !== nameIndex) return;
    used.add(next);
    const vertices = verticesOf(network, next);
    if (vertices[0] !== end) vertices.reverse();
    for (let i = 1; i < vertices.length; i++) line.push(vertices[i]!);
  }
}

function verticesOf(network: StreetNetwork, edge: number): number[] {
  return Array.from(
    network.shape.subarray(network.edgeStart[edge]!, network.edgeStart[edge + 1]!),
  );
}

/** The line in units, without steps that rounding made empty. */
function encodeLine(line: readonly Point[], bounds: Bounds): number[] {
  const points: number[] = [];
  let lastX = 0, lastY = 0;
  for (const { lat, lon } of line) {
    const x = Math.round((lon - bounds.west) * UNITS_PER_DEGREE);
    const y = Math.round((lat - bounds.south) * UNITS_PER_DEGREE);
    if (points.length > 0 && x === lastX && y === lastY) continue;
    points.push(x - lastX, y - lastY);
    lastX = x;
    lastY = y;
  }
  return points;
}

/** Bounds on whole units, so that the corner is a short number and nothing lies outside. */
function outward({ south, west, north, east }: Bounds): Bounds {
  return {
    south: Math.floor(south * UNITS_PER_DEGREE) / UNITS_PER_DEGREE,
    west: Math.floor(west * UNITS_PER_DEGREE) / UNITS_PER_DEGREE,
    north: Math.ceil(north * UNITS_PER_DEGREE) / UNITS_PER_DEGREE,
    east: Math.ceil(east * UNITS_PER_DEGREE) / UNITS_PER_DEGREE,
  };
}
