/**
 * Shortest paths on a profile's graph by Dijkstra's algorithm: from both ends for one pair, from one
 * end for a row of a table. One `StreetSearch` keeps its arrays between calls and is not reentrant:
 * every call runs to its end without awaiting.
 */
import { NodeQueue } from "shared/routing/node_queue.ts";
import type { Adjacency, DirectedEdge, ProfileGraph } from "shared/routing/profile_graph.ts";

/**
 * A place on an edge as a search sees it: the nodes through which one gets on or off the place and
 * the time that takes. At most two entries, one per direction of the edge.
 */
export interface Access {
  readonly node: number;
  readonly ms: number;
  /** The edge and direction of the part between the place and the node. */
  readonly directed: DirectedEdge;
}

/** A way: `first` and `last` are the directed edges that the ends lie on, passed in part. */
export interface FoundWay {
  readonly ms: number;
  readonly first: DirectedEdge;
  /** Whole edges in between, in order. */
  readonly between: readonly DirectedEdge[];
  readonly last: DirectedEdge;
}

/** Marks a node reached straight from the start; the low bit tells which access it was. */
const SEED = 0xfffffffe;
const UNREACHED = 0xffffffff;

class Side {
  readonly queue = new NodeQueue();
  readonly ms: Uint32Array;
  /** The arc by which a node was reached (index into the adjacency), or SEED plus access number. */
  readonly via: Uint32Array;
  /** Nodes to reset before the next search: cheaper than clearing the arrays. */
  readonly #touched: number[] = [];

  constructor(readonly adjacency: Adjacency, nodeCount: number) {
    this.ms = new Uint32Array(nodeCount).fill(UNREACHED);
    this.via = new Uint32Array(nodeCount);
  }

  start(accesses: readonly Access[]): void {
    for (const node of this.#touched) this.ms[node] = UNREACHED;
    this.#touched.length = 0;
    this.queue.clear();
    accesses.forEach(({ node, ms }, index) => this.reach(node, ms, SEED + index));
  }

  reach(node: number, ms: number, via: number): void {
    const known = this.ms[node]!;
    if (ms >= known) return;
    if (known === UNREACHED) this.#touched.push(node);
    this.ms[node] = ms;
    this.via[node] = via;
    this.queue.push(ms, node);
  }
}

export class StreetSearch {
  readonly #forward: Side;
  readonly #backward: Side;

  constructor(graph: ProfileGraph) {
    this.#forward = new Side(graph.outgoing, graph.nodeCount);
    this.#backward = new Side(graph.incoming, graph.nodeCount);
  }

  /**
   * The quickest way that costs less than `belowMs`, or null. Bidirectional (I. Pohl, "Bi-directional
   * search", 1971): stops when the least keys of both sides sum up to the best way found.
   */
  findWay(from: readonly Access[], to: readonly Access[], belowMs: number): FoundWay | null {
    const forward = this.#forward, backward = this.#backward;
    forward.start(from);
    backward.start(to);
    let best = belowMs, meeting = -1;
    while (!forward.queue.isEmpty && !backward.queue.isEmpty) {
      const forwardKey = forward.queue.leastKey, backwardKey = backward.queue.leastKey;
      if (forwardKey + backwardKey >= best) break;
      const [side, other, key] = forwardKey <= backwardKey
        ? [forward, backward, forwardKey] as const
        : [backward, forward, backwardKey] as const;
      const node = side.queue.pop();
      if (side.ms[node] !== key) continue;
      const rest = other.ms[node]!;
      if (rest !== UNREACHED && key + rest < best) {
        best = key + rest;
        meeting = node;
      }
      expand(side, node, key);
    }
    return meeting === -1 ? null : this.#trace(from, to, meeting, best);
  }

  /** Per target the least time from `from` to one of its accesses; Infinity where none is reached. */
  findDurations(from: readonly Access[], targets: readonly (readonly Access[])[]): number[] {
    const side = this.#forward;
    side.start(from);
    const awaited = new Set(targets.flatMap((accesses) => accesses.map(({ node }) => node)));
    while (awaited.size > 0 && !side.queue.isEmpty) {
      const key = side.queue.leastKey;
      const node = side.queue.pop();
      if (side.ms[node] !== key) continue;
      awaited.delete(node);
      expand(side, node, key);
    }
    return targets.map((accesses) =>
      accesses.reduce((least, { node, ms }) => {
        const reached = side.ms[node]!;
        return reached === UNREACHED ? least : Math.min(least, reached + ms);
      }, Infinity)
    );
  }

  #trace(
    from: readonly Access[],
    to: readonly Access[],
    meeting: number,
    ms: number,
  ): FoundWay {
    const before = traceSide(this.#forward, meeting);
    const after = traceSide(this.#backward, meeting);
    return {
      ms,
      first: from[before.seed]!.directed,
      between: [...before.edges.reverse(), ...after.edges],
      last: to[after.seed]!.directed,
    };
  }
}

function expand(side: Side, node: number, key: number): void {
  const { arcStart, arcHead, arcMs } = side.adjacency;
  const end = arcStart[node + 1]!;
  for (let arc = arcStart[node]!; arc < end; arc++) {
    side.reach(arcHead[arc]!, key + arcMs[arc]!, arc);
  }
}

/** The directed edges from `node` back to the side's start, and by which access it began. */
function traceSide(side: Side, node: number): { edges: DirectedEdge[]; seed: number } {
  const edges: DirectedEdge[] = [];
  let at = node;
  // Each step goes to a node with a smaller time, so this ends at a seed.
  for (;;) {
    const via = side.via[at]!;
    if (via >= SEED) return { edges, seed: via - SEED };
    edges.push(side.adjacency.arcEdge[via]!);
    at = tailOf(side.adjacency, via);
  }
}

/** The node whose list holds the arc, by bisection: traces are short, a further array is not. */
function tailOf({ arcStart }: Adjacency, arc: number): number {
  let low = 0, high = arcStart.length - 2;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (arcStart[middle]! <= arc) low = middle;
    else high = middle - 1;
  }
  return low;
}
