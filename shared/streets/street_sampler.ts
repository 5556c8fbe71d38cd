import { polygonContains } from "shared/geo/area.ts";
import type { Point } from "shared/geo/point.ts";
import { type StreetNetwork, vertexPoint } from "shared/streets/street_network.ts";
import { ACCESS } from "shared/streets/street_way.ts";
import type { Profile } from "shared/streets/vehicle.ts";

/** Bits that let a profile ride or walk on a street, in either direction. */
const PROFILE_BITS: Readonly<Record<Profile, number>> = {
  car: ACCESS.carForward | ACCESS.carBackward,
  motorcycle: ACCESS.motorcycleForward | ACCESS.motorcycleBackward,
  bicycle: ACCESS.bicycleForward | ACCESS.bicycleBackward,
  foot: ACCESS.foot,
};

/**
 * A source of random places on the streets of `profile` inside the ring: every metre of street is
 * equally likely. `random` gives numbers in [0, 1); the same numbers give the same places.
 *
 * @throws RangeError when no street of the profile lies inside.
 */
export function createStreetSampler(
  network: StreetNetwork,
  { within, profile }: { within: readonly Point[]; profile: Profile },
): (random: () => number) => Point {
  const { segments, endM } = segmentsInside(network, within, PROFILE_BITS[profile]);
  const totalM = endM.at(-1);
  if (totalM === undefined) {
    throw new RangeError(`Cannot sample streets: none for ${profile} inside the area`);
  }
  return (random) => {
    const index = firstAbove(endM, random() * totalM);
    const segment = segments[index]!;
    const from = vertexPoint(network, network.shape[segment]!);
    const to = vertexPoint(network, network.shape[segment + 1]!);
    const fraction = random();
    return {
      lat: from.lat + (to.lat - from.lat) * fraction,
      lon: from.lon + (to.lon - from.lon) * fraction,
    };
  };
}

function segmentsInside(network: StreetNetwork, within: readonly Point[], bits: number) {
  const inside = Uint8Array.from(
    network.vertexLat,
    (lat, vertex) => polygonContains(within, { lat, lon: network.vertexLon[vertex]! }) ? 1 : 0,
  );
  const segments: number[] = [], endM: number[] = [];
  let totalM = 0;
  for (let segment = 0; segment + 1 < network.shape.length; segment++) {
    const edge = network.shapeEdge[segment]!;
    // The last vertex of an edge starts no segment.
    if (network.shapeEdge[segment + 1] !== edge || (network.edgeAccess[edge]! & bits) === 0) {
      continue;
    }
    if (inside[network.shape[segment]!] === 0 || inside[network.shape[segment + 1]!] === 0) {
      continue;
    }
    totalM += network.shapeOffsetM[segment + 1]! - network.shapeOffsetM[segment]!;
    segments.push(segment);
    endM.push(totalM);
  }
  return { segments, endM };
}

/** Index of the first entry greater than `value`; the last one when there is none. */
function firstAbove(sorted: readonly number[], value: number): number {
  let low = 0, high = sorted.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! > value) high = middle;
    else low = middle + 1;
  }
  return low;
}
