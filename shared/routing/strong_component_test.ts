import assert from "node:assert/strict";
import fc from "fast-check";
import { largestStrongComponent } from "shared/routing/strong_component.ts";

function lists(nodeCount: number, arcs: readonly (readonly [number, number])[]) {
  const sorted = arcs.toSorted((a, b) => a[0] - b[0]);
  const arcStart = new Uint32Array(nodeCount + 1);
  for (const [tail] of arcs) for (let n = tail + 1; n <= nodeCount; n++) arcStart[n]! += 1;
  return { arcStart, arcHead: Uint32Array.from(sorted, ([, head]) => head) };
}

Deno.test("largestStrongComponent() leaves out dead ends and one-way exits", () => {
  // 0 -> 1 -> 2 -> 0 is a round; 3 only leads in, 4 only out; 5 <-> 6 is a smaller island.
  const graph = lists(7, [[0, 1], [1, 2], [2, 0], [3, 0], [2, 4], [5, 6], [6, 5]]);
  assert.deepEqual([...largestStrongComponent(graph)], [1, 1, 1, 0, 0, 0, 0]);
});

Deno.test("largestStrongComponent() walks a line of 200,000 nodes without deep recursion", () => {
  const count = 200_000;
  const arcStart = Uint32Array.from({ length: count + 1 }, (_, node) => node);
  const arcHead = Uint32Array.from({ length: count }, (_, node) => (node + 1) % count);
  assert.equal(largestStrongComponent({ arcStart, arcHead }).every((mark) => mark === 1), true);
});

Deno.test("largestStrongComponent() is mutual reachability of the largest set (property)", () => {
  const size = 9;
  const node = fc.integer({ min: 0, max: size - 1 });
  fc.assert(fc.property(fc.array(fc.tuple(node, node), { maxLength: 25 }), (arcs) => {
    const reach = reachability(size, arcs);
    const groupOf = (from: number) =>
      reach.flatMap((row, to) => reach[from]?.[to] && row[from] ? [to] : []);
    const marks = largestStrongComponent(lists(size, arcs));
    const found = [...marks.keys()].filter((at) => marks[at] === 1);
    assert.deepEqual(found, groupOf(found[0] ?? -1));
    assert.equal(found.length, Math.max(...reach.map((_, at) => groupOf(at).length)));
  }));
});

/** Warshall's closure: `[a][b]` says whether b can be reached from a. */
function reachability(size: number, arcs: readonly (readonly [number, number])[]): boolean[][] {
  const reach = Array.from(
    { length: size },
    (_, a) =>
      Array.from(
        { length: size },
        (_, b) => a === b || arcs.some(([from, to]) => from === a && to === b),
      ),
  );
  for (let via = 0; via < size; via++) {
    for (const row of reach) {
      if (row[via]) reach[via]?.forEach((reached, to) => row[to] ||= reached);
    }
  }
  return reach;
}
