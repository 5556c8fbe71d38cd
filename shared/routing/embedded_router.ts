/**
 * The router over streets in memory. Everything runs on the caller's thread: a route takes
 * milliseconds, a large table hands control back between slices of rows. Searches share arrays per
 * profile and never await while they use them, so calls may overlap.
 */
import { distanceM } from "shared/geo/distance.ts";
import type { Point } from "shared/geo/point.ts";
import { polylineLengthM } from "shared/geo/polyline.ts";
import { MAX_QUEUE_NODES } from "shared/routing/node_queue.ts";
import {
  buildProfileGraph,
  type DirectedEdge,
  isUsable,
  type ProfileGraph,
} from "shared/routing/profile_graph.ts";
import {
  MAX_SNAP_M,
  MAX_TABLE_CELLS,
  type Route,
  type RouteOptions,
  type Router,
  type RoutingRefusal,
  type Snap,
  type Table,
} from "shared/routing/router.ts";
import { DURATION_FACTOR } from "shared/routing/speeds.ts";
import { type Access, type FoundWay, StreetSearch } from "shared/routing/street_search.ts";
import { findNearestStreet, type StreetPlace } from "shared/streets/nearest_street.ts";
import { edgeNodes, type StreetNetwork, vertexPoint } from "shared/streets/street_network.ts";
import { type Profile, PROFILE_OF_VEHICLE, type Vehicle } from "shared/streets/vehicle.ts";

/** A table is computed in slices of about this time, so that other work of the process gets its turn. */
const TABLE_SLICE_MS = 8;

/** Places this close to a node stand on it and may leave it by any of its streets. */
const AT_NODE_M = 0.01;

interface Engine {
  readonly graph: ProfileGraph;
  readonly search: StreetSearch;
}

/**
 * A router on `network`. The graph of a profile is made on the first question for it (tens of
 * milliseconds for a city); `warmUp` asks for that ahead.
 *
 * @throws RangeError when the network has more nodes than a search can hold.
 */
export function createEmbeddedRouter(
  network: StreetNetwork,
  { warmUp = [] }: { warmUp?: readonly Vehicle[] } = {},
): Router {
  if (network.nodeCount > MAX_QUEUE_NODES) {
    throw new RangeError(
      `Cannot route: the network must have at most ${MAX_QUEUE_NODES} nodes: ` +
        `current value is ${network.nodeCount}`,
    );
  }
  const engines = new Map<Profile, Engine>();
  const engineFor = (vehicle: Vehicle): Engine => {
    const profile = PROFILE_OF_VEHICLE[vehicle];
    const known = engines.get(profile);
    if (known !== undefined) return known;
    const graph = buildProfileGraph(network, profile);
    const engine = { graph, search: new StreetSearch(graph) };
    engines.set(profile, engine);
    return engine;
  };
  warmUp.forEach(engineFor);
  return {
    name: "embedded",
    nearest: (point, options) =>
      Promise.resolve(nearest(network, engineFor(options.vehicle), point, options)),
    route: (from, to, options) =>
      Promise.resolve(route(network, engineFor(options.vehicle), { from, to }, options)),
    table: (from, to, options) => table(network, engineFor(options.vehicle), { from, to }, options),
  };
}

function nearest(
  network: StreetNetwork,
  { graph }: Engine,
  point: Point,
  options: RouteOptions,
): Snap | RoutingRefusal {
  const place = snap(network, graph, point, options);
  if (place === null) return { ok: false, code: "no_street_near", router: "embedded" };
  const streetName = network.names[network.edgeName[place.edge]!]!;
  return {
    ok: true,
    point: place.point,
    distanceM: place.distanceM,
    ...(streetName === "" ? {} : { streetName }),
    router: "embedded",
  };
}

function route(
  network: StreetNetwork,
  { graph, search }: Engine,
  { from, to }: { from: Point; to: Point },
  options: RouteOptions,
): Route | RoutingRefusal {
  const start = snap(network, graph, from, options);
  if (start === null) return { ok: false, code: "no_street_near", end: "from", router: "embedded" };
  const end = snap(network, graph, to, options);
  if (end === null) return { ok: false, code: "no_street_near", end: "to", router: "embedded" };
  const direct = directWay(network, graph, start, end);
  const found = search.findWay(
    exits(network, graph, start),
    entries(network, graph, end),
    direct?.ms ?? Infinity,
  );
  const best = found ?? direct;
  if (best === null) return { ok: false, code: "no_route", router: "embedded" };
  const points = found === null
    ? stretchPoints(network, start, end)
    : wayPoints(network, start, found, end);
  return {
    ok: true,
    distanceM: polylineLengthM(points),
    durationS: best.ms * DURATION_FACTOR[options.vehicle] / 1_000,
    points,
    fromSnapM: start.distanceM,
    toSnapM: end.distanceM,
    router: "embedded",
  };
}

async function table(
  network: StreetNetwork,
  { graph, search }: Engine,
  { from, to }: { from: readonly Point[]; to: readonly Point[] },
  options: RouteOptions,
): Promise<Table | RoutingRefusal> {
  if (from.length * to.length > MAX_TABLE_CELLS) {
    return { ok: false, code: "table_too_large", router: "embedded" };
  }
  const ends = to.map((point) => snap(network, graph, point, options));
  const targets = ends.map((end) => end === null ? [] : entries(network, graph, end));
  const factor = DURATION_FACTOR[options.vehicle];
  const durationsS: (number | null)[][] = [];
  let sliceEndMs = performance.now() + TABLE_SLICE_MS;
  for (const point of from) {
    if (performance.now() > sliceEndMs) {
      await nextTurn();
      sliceEndMs = performance.now() + TABLE_SLICE_MS;
    }
    const start = snap(network, graph, point, options);
    if (start === null) {
      durationsS.push(to.map(() => null));
      continue;
    }
    const row = search.findDurations(exits(network, graph, start), targets);
    durationsS.push(ends.map((end, column) => {
      const direct = end === null ? null : directWay(network, graph, start, end);
      const ms = Math.min(row[column]!, direct?.ms ?? Infinity);
      return ms === Infinity ? null : ms * factor / 1_000;
    }));
  }
  return { ok: true, durationsS, router: "embedded" };
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

function snap(
  network: StreetNetwork,
  graph: ProfileGraph,
  point: Point,
  { maxSnapM = MAX_SNAP_M }: RouteOptions,
): StreetPlace | null {
  return findNearestStreet(network, point, {
    withinM: maxSnapM,
    accepts: (edge) => isUsable(graph, edge),
  });
}

/** The part of the edge's time up to the place, when passed along its shape. */
function share(network: StreetNetwork, place: StreetPlace): number {
  const lengthM = network.edgeLengthM[place.edge]!;
  return lengthM === 0 ? 0 : Math.min(1, place.offsetM / lengthM);
}

/** How one gets from a place to the ends of its edge. */
function exits(network: StreetNetwork, graph: ProfileGraph, place: StreetPlace): Access[] {
  const { from, to } = edgeNodes(network, place.edge);
  const along = place.edge * 2, against = along + 1;
  const done = share(network, place);
  return accesses(network, graph, [
    { node: to, directed: along, part: 1 - done },
    { node: from, directed: against, part: done },
  ]);
}

/** How one gets from the ends of its edge to a place. */
function entries(network: StreetNetwork, graph: ProfileGraph, place: StreetPlace): Access[] {
  const { from, to } = edgeNodes(network, place.edge);
  const along = place.edge * 2, against = along + 1;
  const done = share(network, place);
  return accesses(network, graph, [
    { node: from, directed: along, part: done },
    { node: to, directed: against, part: 1 - done },
  ]);
}

function accesses(
  network: StreetNetwork,
  { directedMs }: ProfileGraph,
  candidates: readonly { node: number; directed: DirectedEdge; part: number }[],
): Access[] {
  return candidates
    .filter(({ directed, part }) =>
      directedMs[directed]! > 0 || isAtNode(network, directed >> 1, part)
    )
    .map(({ node, directed, part }) => ({
      node,
      directed,
      ms: Math.round(directedMs[directed]! * part),
    }));
}

/** True where `part` of the edge is too short to count, so that its direction does not matter. */
function isAtNode(network: StreetNetwork, edge: number, part: number): boolean {
  return Math.abs(part) * network.edgeLengthM[edge]! < AT_NODE_M;
}

/** The way between two places of one edge without leaving it; null where there is none. */
function directWay(
  network: StreetNetwork,
  { directedMs }: ProfileGraph,
  start: StreetPlace,
  end: StreetPlace,
): { ms: number } | null {
  if (start.edge !== end.edge) return null;
  const part = share(network, end) - share(network, start);
  if (isAtNode(network, start.edge, part)) return { ms: 0 };
  const ms = directedMs[start.edge * 2 + (part > 0 ? 0 : 1)]!;
  return ms === 0 ? null : { ms: Math.round(ms * Math.abs(part)) };
}

function stretchPoints(network: StreetNetwork, start: StreetPlace, end: StreetPlace): Point[] {
  const vertices = end.offsetM >= start.offsetM
    ? shapeVertices(network, start.segment + 1, end.segment)
    : shapeVertices(network, end.segment + 1, start.segment).reverse();
  return joinPoints(network, start.point, vertices, end.point);
}

function wayPoints(
  network: StreetNetwork,
  start: StreetPlace,
  way: FoundWay,
  end: StreetPlace,
): Point[] {
  const vertices: number[] = [];
  const append = (directed: DirectedEdge, firstShape: number, lastShape: number) => {
    const part = shapeVertices(network, firstShape, lastShape);
    if ((directed & 1) === 1) part.reverse();
    for (const vertex of part) if (vertex !== vertices.at(-1)) vertices.push(vertex);
  };
  const first = (edge: number) => network.edgeStart[edge]!;
  const last = (edge: number) => network.edgeStart[edge + 1]! - 1;
  if ((way.first & 1) === 0) append(way.first, start.segment + 1, last(start.edge));
  else append(way.first, first(start.edge), start.segment);
  for (const directed of way.between) {
    append(directed, first(directed >> 1), last(directed >> 1));
  }
  if ((way.last & 1) === 0) append(way.last, first(end.edge), end.segment);
  else append(way.last, end.segment + 1, last(end.edge));
  return joinPoints(network, start.point, vertices, end.point);
}

function shapeVertices(network: StreetNetwork, first: number, last: number): number[] {
  return Array.from(network.shape.subarray(first, last + 1));
}

/** The line through all of them, without points that the ends already stand on. */
function joinPoints(
  network: StreetNetwork,
  start: Point,
  vertices: readonly number[],
  end: Point,
): Point[] {
  const points = [start];
  for (const vertex of vertices) {
    const point = vertexPoint(network, vertex);
    if (distanceM(points[points.length - 1]!, point) > 0) points.push(point);
  }
  if (points.length < 2 || distanceM(points[points.length - 1]!, end) > 0) points.push(end);
  return points;
}
