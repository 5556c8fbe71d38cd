/**
 * Dijkstra's algorithm written from the street network alone, for tests: no code of the router's
 * graph, queue, component or search is used, only the speeds.
 */
import { streetSpeedMps } from "shared/routing/speeds.ts";
import { edgeNodes, edgeStreetClass, type StreetNetwork } from "shared/streets/street_network.ts";
import { ACCESS } from "shared/streets/street_way.ts";
import type { Profile } from "shared/streets/vehicle.ts";

export interface ReferenceArc {
  readonly to: number;
  readonly ms: number;
}

const FORWARD: Readonly<Record<Profile, number>> = {
  car: ACCESS.carForward,
  motorcycle: ACCESS.motorcycleForward,
  bicycle: ACCESS.bicycleForward | ACCESS.bicyclePush,
  foot: ACCESS.foot,
};
const BACKWARD: Readonly<Record<Profile, number>> = {
  car: ACCESS.carBackward,
  motorcycle: ACCESS.motorcycleBackward,
  bicycle: ACCESS.bicycleBackward | ACCESS.bicyclePush,
  foot: ACCESS.foot,
};

/** The arcs that leave each node for the profile. */
export function referenceArcs(network: StreetNetwork, profile: Profile): ReferenceArc[][] {
  const arcs: ReferenceArc[][] = Array.from({ length: network.nodeCount }, () => []);
  for (let edge = 0; edge < network.edgeCount; edge++) {
    const access = network.edgeAccess[edge]!;
    const speedMps = streetSpeedMps(profile, {
      streetClass: edgeStreetClass(network, edge),
      maxSpeedKmh: network.edgeMaxSpeedKmh[edge]!,
      pushed: profile === "bicycle" && (access & ACCESS.bicyclePush) !== 0,
    });
    const ms = Math.max(1, Math.round(network.edgeLengthM[edge]! / speedMps * 1_000));
    const { from, to } = edgeNodes(network, edge);
    if ((access & FORWARD[profile]) !== 0) arcs[from]!.push({ to, ms });
    if ((access & BACKWARD[profile]) !== 0) arcs[to]!.push({ to: from, ms });
  }
  return arcs;
}

/**
 * Least milliseconds from `source` to every node, Infinity where none leads. Nodes wait in buckets of
 * one millisecond range each (Dial), a structure unlike the router's heap.
 */
export function referenceDurations(arcs: readonly ReferenceArc[][], source: number): Float64Array {
  const bucketMs = 1_000;
  const least = new Float64Array(arcs.length).fill(Infinity);
  least[source] = 0;
  const buckets: number[][] = [[source]];
  for (let bucket = 0; bucket < buckets.length; bucket++) {
    const waiting = buckets[bucket] ?? [];
    // A node may come back into its own bucket with less; it is then simply looked at again.
    for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
      for (const { to, ms } of arcs[node]!) {
        const reachedMs = least[node]! + ms;
        if (reachedMs >= least[to]!) continue;
        least[to] = reachedMs;
        const target = Math.floor(reachedMs / bucketMs);
        while (buckets.length <= target) buckets.push([]);
        buckets[target]!.push(to);
      }
    }
  }
  return least;
}
