/**
 * Streets cut at their junctions, in typed arrays: what the map, the spatial index and every
 * profile's graph are made from. Plain data without methods, so that it can be posted to a worker.
 *
 * - A **vertex** is a place some street passes. Vertices `0 .. nodeCount - 1` are **nodes**: ends and
 *   crossings of ways; the others only give a street its shape.
 * - An **edge** is a stretch of street between two nodes. Its vertices are
 *   `shape[edgeStart[e]] .. shape[edgeStart[e + 1] - 1]`, both nodes included.
 * - A **segment** is named by the index in `shape` of its first vertex, its second is the next entry.
 *
 * Indices come from the arrays themselves, hence the `!` in the loops over them.
 */
import { type Bounds, boundsOf } from "shared/geo/area.ts";
import { distanceM } from "shared/geo/distance.ts";
import type { Point } from "shared/geo/point.ts";
import { createSegmentGrid, type SegmentGrid } from "shared/streets/segment_grid.ts";
import { STREET_CLASSES, type StreetClass, type StreetWay } from "shared/streets/street_way.ts";
import { VertexIndex } from "shared/streets/vertex_index.ts";

export interface StreetNetwork {
  readonly bounds: Bounds;
  /** To be shown wherever the map is. */
  readonly attribution: string;
  readonly nodeCount: number;
  readonly edgeCount: number;
  readonly vertexLat: Float64Array;
  readonly vertexLon: Float64Array;
  readonly edgeStart: Uint32Array;
  readonly shape: Uint32Array;
  /** Per entry of `shape`: its edge, and the metres from that edge's start. */
  readonly shapeEdge: Uint32Array;
  readonly shapeOffsetM: Float64Array;
  readonly edgeLengthM: Float64Array;
  /** Index into `STREET_CLASSES`. */
  readonly edgeClass: Uint8Array;
  /** Sum of `ACCESS` bits; forward is the order of `shape`. */
  readonly edgeAccess: Uint8Array;
  readonly edgeMaxSpeedKmh: Uint8Array;
  /** Index into `names`; 0 is the empty name. */
  readonly edgeName: Uint32Array;
  readonly names: readonly string[];
  readonly grid: SegmentGrid;
}

/** The place of a vertex. */
export function vertexPoint(network: StreetNetwork, vertex: number): Point {
  return { lat: network.vertexLat[vertex]!, lon: network.vertexLon[vertex]! };
}

/** The first and the last node of an edge; the same one where the street is a loop. */
export function edgeNodes(network: StreetNetwork, edge: number): { from: number; to: number } {
  return {
    from: network.shape[network.edgeStart[edge]!]!,
    to: network.shape[network.edgeStart[edge + 1]! - 1]!,
  };
}

export function edgeStreetClass(network: StreetNetwork, edge: number): StreetClass {
  return STREET_CLASSES[network.edgeClass[edge]!]!;
}

/**
 * Joins ways where they share a place (equal to 1e-7 degrees) and cuts them there. Equal input gives
 * an equal network, numbers included.
 *
 * @throws RangeError when no way has two distinct points.
 */
export function buildStreetNetwork(
  ways: readonly StreetWay[],
  attribution: string,
): StreetNetwork {
  const traced = traceWays(ways);
  if (traced.ways.length === 0) {
    throw new RangeError("Cannot build a street network: no way has two distinct points");
  }
  const { nodeCount, renumbered } = nodesFirst(traced);
  const vertexCount = traced.index.size;
  const vertexLat = new Float64Array(vertexCount);
  const vertexLon = new Float64Array(vertexCount);
  for (let seen = 0; seen < vertexCount; seen++) {
    vertexLat[renumbered[seen]!] = traced.index.lat(seen);
    vertexLon[renumbered[seen]!] = traced.index.lon(seen);
  }
  const edges = cutAtNodes(traced, nodeCount, renumbered);
  const lengths = measure(edges, vertexLat, vertexLon);
  return {
    bounds: boundsOf(pointsOf(vertexLat, vertexLon)),
    attribution,
    nodeCount,
    edgeCount: edges.edgeClass.length,
    vertexLat,
    vertexLon,
    ...edges,
    ...lengths,
    grid: createSegmentGrid({ vertexLat, vertexLon, ...edges }),
  };
}

/** Ways as runs of vertices in the order they were first seen, without repeated points. */
interface TracedWays {
  readonly index: VertexIndex;
  /** `way` refers to the input; its vertices are `vertices[start .. end - 1]`. */
  readonly ways: readonly { way: StreetWay; start: number; end: number }[];
  readonly vertices: Uint32Array;
}

function traceWays(ways: readonly StreetWay[]): TracedWays {
  const capacity = ways.reduce((total, way) => total + way.points.length, 0);
  const index = new VertexIndex(capacity);
  const vertices = new Uint32Array(capacity);
  const traced: { way: StreetWay; start: number; end: number }[] = [];
  let end = 0;
  for (const way of ways) {
    const start = end;
    for (const { lat, lon } of way.points) {
      const vertex = index.add(lat, lon);
      if (end === start || vertices[end - 1] !== vertex) vertices[end++] = vertex;
    }
    if (end - start >= 2) traced.push({ way, start, end });
    else end = start;
  }
  return { index, ways: traced, vertices: vertices.subarray(0, end) };
}

/** New numbers for vertices such that the nodes come first, each group in the order seen. */
function nodesFirst(traced: TracedWays): { nodeCount: number; renumbered: Uint32Array } {
  const uses = new Uint8Array(traced.index.size);
  const use = (vertex: number, times: number) => {
    uses[vertex] = Math.min(2, uses[vertex]! + times);
  };
  for (const { start, end } of traced.ways) {
    for (let i = start; i < end; i++) {
      use(traced.vertices[i]!, i === start || i === end - 1 ? 2 : 1);
    }
  }
  const nodeCount = uses.reduce((total, count) => total + (count >= 2 ? 1 : 0), 0);
  const renumbered = new Uint32Array(uses.length);
  let nextNode = 0, nextShapeVertex = nodeCount;
  for (let seen = 0; seen < uses.length; seen++) {
    renumbered[seen] = uses[seen]! >= 2 ? nextNode++ : nextShapeVertex++;
  }
  return { nodeCount, renumbered };
}

type Edges = Pick<
  StreetNetwork,
  "edgeStart" | "shape" | "edgeClass" | "edgeAccess" | "edgeMaxSpeedKmh" | "edgeName" | "names"
>;

function cutAtNodes(traced: TracedWays, nodeCount: number, renumbered: Uint32Array): Edges {
  const edgeStart: number[] = [], shape: number[] = [];
  const edgeClass: number[] = [], edgeAccess: number[] = [];
  const edgeMaxSpeedKmh: number[] = [], edgeName: number[] = [];
  const nameIndex = new Map<string, number>([["", 0]]);
  for (const { way, start, end } of traced.ways) {
    const name = nameIndex.get(way.name) ?? nameIndex.size;
    nameIndex.set(way.name, name);
    const classIndex = STREET_CLASSES.indexOf(way.streetClass);
    for (let i = start; i < end - 1; i++) {
      const vertex = renumbered[traced.vertices[i]!]!;
      if (vertex < nodeCount) {
        // A crossing inside the way ends one edge and starts the next.
        if (i > start) shape.push(vertex);
        edgeStart.push(shape.length);
        edgeClass.push(classIndex);
        edgeAccess.push(way.access);
        edgeMaxSpeedKmh.push(way.maxSpeedKmh);
        edgeName.push(name);
      }
      shape.push(vertex);
    }
    shape.push(renumbered[traced.vertices[end - 1]!]!);
  }
  edgeStart.push(shape.length);
  return {
    edgeStart: Uint32Array.from(edgeStart),
    shape: Uint32Array.from(shape),
    edgeClass: Uint8Array.from(edgeClass),
    edgeAccess: Uint8Array.from(edgeAccess),
    edgeMaxSpeedKmh: Uint8Array.from(edgeMaxSpeedKmh),
    edgeName: Uint32Array.from(edgeName),
    names: [...nameIndex.keys()],
  };
}

function measure(
  { edgeStart, shape }: Edges,
  vertexLat: Float64Array,
  vertexLon: Float64Array,
): Pick<StreetNetwork, "shapeEdge" | "shapeOffsetM" | "edgeLengthM"> {
  const edgeCount = edgeStart.length - 1;
  const shapeEdge = new Uint32Array(shape.length);
  const shapeOffsetM = new Float64Array(shape.length);
  const edgeLengthM = new Float64Array(edgeCount);
  const place = (i: number) => ({ lat: vertexLat[shape[i]!]!, lon: vertexLon[shape[i]!]! });
  for (let edge = 0; edge < edgeCount; edge++) {
    let offsetM = 0;
    let previous = place(edgeStart[edge]!);
    for (let i = edgeStart[edge]!; i < edgeStart[edge + 1]!; i++) {
      const current = place(i);
      offsetM += distanceM(previous, current);
      shapeEdge[i] = edge;
      shapeOffsetM[i] = offsetM;
      previous = current;
    }
    edgeLengthM[edge] = offsetM;
  }
  return { shapeEdge, shapeOffsetM, edgeLengthM };
}

function* pointsOf(vertexLat: Float64Array, vertexLon: Float64Array): Generator<Point> {
  for (let vertex = 0; vertex < vertexLat.length; vertex++) {
    yield { lat: vertexLat[vertex]!, lon: vertexLon[vertex]! };
  }
}
