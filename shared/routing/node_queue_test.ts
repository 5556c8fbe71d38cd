import assert from "node:assert/strict";
import fc from "fast-check";
import { MAX_QUEUE_NODES, NodeQueue } from "shared/routing/node_queue.ts";

Deno.test("NodeQueue gives entries by key, then node, however they came in (property)", () => {
  const entry = fc.record({
    key: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    node: fc.integer({ min: 0, max: MAX_QUEUE_NODES - 1 }),
  });
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 3_000, size: "max" }), (entries) => {
      const queue = new NodeQueue();
      for (const { key, node } of entries) queue.push(key, node);
      const order = entries.toSorted((a, b) => a.key - b.key || a.node - b.node);
      for (const { key, node } of order) {
        assert.equal(queue.isEmpty, false);
        assert.equal(queue.leastKey, key);
        assert.equal(queue.pop(), node);
      }
      assert.equal(queue.isEmpty, true);
    }),
    { numRuns: 50 },
  );
});

Deno.test("NodeQueue.clear() forgets everything", () => {
  const queue = new NodeQueue();
  queue.push(1, 1);
  queue.clear();
  assert.equal(queue.isEmpty, true);
  queue.push(7, 3);
  assert.equal(queue.leastKey, 7);
  assert.equal(queue.pop(), 3);
});
