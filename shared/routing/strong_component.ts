/** Directed arcs of a graph by tail: those of node `n` are `arcHead[arcStart[n] .. arcStart[n + 1] - 1]`. */
export interface ArcLists {
  readonly arcStart: Uint32Array;
  readonly arcHead: Uint32Array;
}

/**
 * Marks (1) the nodes of the largest strongly connected component: the largest set in which every
 * node can be reached from every other. Of equally large ones, the one found first.
 *
 * R. Tarjan, "Depth-first search and linear graph algorithms", 1972; with an explicit stack, since a
 * city's streets are deeper than the call stack.
 */
export function largestStrongComponent({ arcStart, arcHead }: ArcLists): Uint8Array {
  const nodeCount = arcStart.length - 1;
  const order = new Int32Array(nodeCount).fill(-1);
  const low = new Int32Array(nodeCount);
  const nextArc = arcStart.slice(0, nodeCount);
  const open = new Int32Array(nodeCount);
  const isOpen = new Uint8Array(nodeCount);
  const path = new Int32Array(nodeCount);
  let largest = new Int32Array(0);
  let visited = 0, openCount = 0, pathLength = 0;
  const enter = (node: number) => {
    order[node] = low[node] = visited++;
    open[openCount++] = node;
    isOpen[node] = 1;
    path[pathLength++] = node;
  };
  for (let root = 0; root < nodeCount; root++) {
    if (order[root] !== -1) continue;
    enter(root);
    while (pathLength > 0) {
      const node = path[pathLength - 1]!;
      const arc = nextArc[node]!;
      if (arc < arcStart[node + 1]!) {
        nextArc[node] = arc + 1;
        const head = arcHead[arc]!;
        if (order[head] === -1) enter(head);
        else if (isOpen[head] === 1) low[node] = Math.min(low[node]!, order[head]!);
        continue;
      }
      pathLength--;
      if (pathLength > 0) {
        const parent = path[pathLength - 1]!;
        low[parent] = Math.min(low[parent]!, low[node]!);
      }
      if (low[node] !== order[node]) continue;
      // `node` is the first of its component: everything opened since then belongs to it.
      let start = openCount;
      do isOpen[open[--start]!] = 0; while (open[start] !== node);
      if (openCount - start > largest.length) largest = open.slice(start, openCount);
      openCount = start;
    }
  }
  const inLargest = new Uint8Array(nodeCount);
  for (const node of largest) inLargest[node] = 1;
  return inLargest;
}
