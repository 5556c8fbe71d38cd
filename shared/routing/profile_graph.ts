/**
 * The streets as one profile sees them: directed arcs with durations in whole milliseconds, which
 * add up without rounding, so that equal routes cost exactly the same whichever way they are found.
 * Only the largest strongly connected component is kept: any two places on it are joined by a way.
 */
import { streetSpeedMps } from "shared/routing/speeds.ts";
import { largestStrongComponent } from "shared/routing/strong_component.ts";
import { edgeNodes, edgeStreetClass, type StreetNetwork } from "shared/streets/street_network.ts";
import { ACCESS } from "shared/streets/street_way.ts";
import type { Profile } from "shared/streets/vehicle.ts";

/**
 * An edge with the direction it is passed: `edge * 2` along its shape, `edge * 2 + 1` against it.
 * Also the node of a later edge-based graph.
 */
export type DirectedEdge = number;

/** Arcs listed by the node they leave (or, in `incoming`, by the node they reach). */
export interface Adjacency {
  readonly arcStart: Uint32Array;
  readonly arcHead: Uint32Array;
  readonly arcMs: Uint32Array;
  readonly arcEdge: Uint32Array;
}

export interface ProfileGraph {
  readonly profile: Profile;
  readonly nodeCount: number;
  readonly outgoing: Adjacency;
  /** The same arcs turned round: `arcHead` is where an arc comes from. */
  readonly incoming: Adjacency;
  /** Per directed edge; 0 where it may not be passed or lies off the component. */
  readonly directedMs: Uint32Array;
}

/** The graph of a profile over a network; numbers of nodes and edges are the network's. */
export function buildProfileGraph(network: StreetNetwork, profile: Profile): ProfileGraph {
  const directedMs = durations(network, profile);
  const all = adjacency(network, directedMs, "outgoing");
  const kept = largestStrongComponent(all);
  for (let edge = 0; edge < network.edgeCount; edge++) {
    const { from, to } = edgeNodes(network, edge);
    if (kept[from] === 1 && kept[to] === 1) continue;
    directedMs[edge * 2] = 0;
    directedMs[edge * 2 + 1] = 0;
  }
  return {
    profile,
    nodeCount: network.nodeCount,
    outgoing: adjacency(network, directedMs, "outgoing"),
    incoming: adjacency(network, directedMs, "incoming"),
    directedMs,
  };
}

/** True where the profile may pass the edge in some direction and get anywhere from it. */
export function isUsable({ directedMs }: ProfileGraph, edge: number): boolean {
  return directedMs[edge * 2]! > 0 || directedMs[edge * 2 + 1]! > 0;
}

function durations(network: StreetNetwork, profile: Profile): Uint32Array {
  const directedMs = new Uint32Array(network.edgeCount * 2);
  for (let edge = 0; edge < network.edgeCount; edge++) {
    const access = directions(profile, network.edgeAccess[edge]!);
    if (!access.forward && !access.backward) continue;
    const speedMps = streetSpeedMps(profile, {
      streetClass: edgeStreetClass(network, edge),
      maxSpeedKmh: network.edgeMaxSpeedKmh[edge]!,
      pushed: access.pushed,
    });
    // At least 1, as 0 means closed and a free arc would make ties endless.
    const ms = Math.max(1, Math.round(network.edgeLengthM[edge]! / speedMps * 1_000));
    if (access.forward) directedMs[edge * 2] = ms;
    if (access.backward) directedMs[edge * 2 + 1] = ms;
  }
  return directedMs;
}

interface DirectionAccess {
  readonly forward: boolean;
  readonly backward: boolean;
  readonly pushed: boolean;
}

function directions(profile: Profile, access: number): DirectionAccess {
  const has = (bit: number) => (access & bit) !== 0;
  switch (profile) {
    case "car":
      return pair(has(ACCESS.carForward), has(ACCESS.carBackward));
    case "motorcycle":
      return pair(has(ACCESS.motorcycleForward), has(ACCESS.motorcycleBackward));
    case "bicycle":
      if (has(ACCESS.bicyclePush)) return { forward: true, backward: true, pushed: true };
      return pair(has(ACCESS.bicycleForward), has(ACCESS.bicycleBackward));
    case "foot":
      return pair(has(ACCESS.foot), has(ACCESS.foot));
  }
}

function pair(forward: boolean, backward: boolean): DirectionAccess {
  return { forward, backward, pushed: false };
}

function adjacency(
  network: StreetNetwork,
  directedMs: Uint32Array,
  kind: "outgoing" | "incoming",
): Adjacency {
  const ends = (directed: DirectedEdge) => {
    const { from, to } = edgeNodes(network, directed >> 1);
    const along = (directed & 1) === 0;
    return along === (kind === "outgoing") ? { at: from, head: to } : { at: to, head: from };
  };
  const arcStart = new Uint32Array(network.nodeCount + 1);
  // Counting sort by node: count, sum up, then place.
  for (let directed = 0; directed < directedMs.length; directed++) {
    if (directedMs[directed]! > 0) arcStart[ends(directed).at + 1]!++;
  }
  for (let node = 0; node < network.nodeCount; node++) arcStart[node + 1]! += arcStart[node]!;
  const arcCount = arcStart[network.nodeCount]!;
  const arcHead = new Uint32Array(arcCount);
  const arcMs = new Uint32Array(arcCount);
  const arcEdge = new Uint32Array(arcCount);
  const next = arcStart.slice();
  for (let directed = 0; directed < directedMs.length; directed++) {
    if (directedMs[directed] === 0) continue;
    const { at, head } = ends(directed);
    const arc = next[at]!++;
    arcHead[arc] = head;
    arcMs[arc] = directedMs[directed]!;
    arcEdge[arc] = directed;
  }
  return { arcStart, arcHead, arcMs, arcEdge };
}
