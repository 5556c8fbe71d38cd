/** Bound of the node numbers a queue can hold; keys and nodes share one double. */
export const MAX_QUEUE_NODES = 2 ** 21;

/**
 * A priority queue of (key, node): least key first, and of equal keys the least node, so that
 * searches end the same on every machine. A node may be in it several times; the reader skips stale
 * entries, which is quicker on street graphs than moving them.
 *
 * Key and node are packed into one double (32 + 21 bits), held in a binary heap.
 */
export class NodeQueue {
  #heap = new Float64Array(1 << 10);
  #size = 0;

  get isEmpty(): boolean {
    return this.#size === 0;
  }

  /** The least key; only asked when not empty. */
  get leastKey(): number {
    return Math.floor(this.#heap[0]! / MAX_QUEUE_NODES);
  }

  clear(): void {
    this.#size = 0;
  }

  push(key: number, node: number): void {
    if (this.#size === this.#heap.length) this.#grow();
    const heap = this.#heap;
    const packed = key * MAX_QUEUE_NODES + node;
    let at = this.#size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent]!;
      if (above <= packed) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = packed;
  }

  /** Takes the entry with the least key and gives its node; only called when not empty. */
  pop(): number {
    const heap = this.#heap;
    const least = heap[0]!;
    const last = heap[--this.#size]!;
    const size = this.#size;
    let at = 0;
    for (let child = 1; child < size; child = 2 * at + 1) {
      if (child + 1 < size && heap[child + 1]! < heap[child]!) child++;
      const below = heap[child]!;
      if (below >= last) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
    return least % MAX_QUEUE_NODES;
  }

  #grow(): void {
    const larger = new Float64Array(this.#heap.length * 2);
    larger.set(this.#heap);
    this.#heap = larger;
  }
}
