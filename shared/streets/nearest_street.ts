import { projectOntoSegment } from "shared/geo/segment.ts";
import type { Point } from "shared/geo/point.ts";
import { findNearestSegment } from "shared/streets/segment_grid.ts";
import { type StreetNetwork, vertexPoint } from "shared/streets/street_network.ts";

/** `distanceToStreetM` looks no farther. */
export const STREET_SEARCH_M = 5_000;

/** A place on an edge. */
export interface StreetPlace {
  readonly edge: number;
  /** Index into `shape` of the segment's first vertex. */
  readonly segment: number;
  readonly point: Point;
  /** Along the edge, from its start. */
  readonly offsetM: number;
  /** From the point asked for. */
  readonly distanceM: number;
}

/**
 * The place nearest to `point` on an edge that `accepts` allows, or null where none is within
 * `withinM`. The place is anywhere along a street, not only at a junction.
 */
export function findNearestStreet(
  network: StreetNetwork,
  point: Point,
  { withinM, accepts }: { withinM: number; accepts: (edge: number) => boolean },
): StreetPlace | null {
  const found = findNearestSegment(network, point, {
    withinM,
    accepts: (segment) => accepts(network.shapeEdge[segment]!),
  });
  if (found === null) return null;
  const { segment } = found;
  const start = vertexPoint(network, network.shape[segment]!);
  const end = vertexPoint(network, network.shape[segment + 1]!);
  const projection = projectOntoSegment(point, start, end);
  const startM = network.shapeOffsetM[segment]!, endM = network.shapeOffsetM[segment + 1]!;
  return {
    edge: network.shapeEdge[segment]!,
    segment,
    point: projection.point,
    offsetM: startM + (endM - startM) * projection.fraction,
    distanceM: projection.distanceM,
  };
}

/**
 * Metres to the nearest street of any kind, footpaths included; Infinity beyond `STREET_SEARCH_M`.
 * For checks that a position lies on the streets.
 */
export function distanceToStreetM(network: StreetNetwork, point: Point): number {
  const place = findNearestStreet(network, point, {
    withinM: STREET_SEARCH_M,
    accepts: () => true,
  });
  return place?.distanceM ?? Infinity;
}
