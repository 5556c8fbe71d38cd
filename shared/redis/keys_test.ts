import assert from "node:assert/strict";
import { partitionOf, redisKeys, shardOf } from "./keys.ts";
import { uuidv7 } from "shared/ids/uuid.ts";

Deno.test("redisKeys() puts every key of a partition into one hash slot", () => {
  const keys = redisKeys("t:");
  const partition = partitionOf("gothenburg", 0);
  assert.equal(keys.events(partition), "t:events:{gothenburg:0}");
  assert.equal(keys.track(partition, "o1"), "t:track:{gothenburg:0}:o1");
  for (
    const key of [
      keys.relay(partition),
      keys.positions(partition),
      keys.couriersGeo(partition),
      keys.couriersSeen(partition),
      keys.couriers(partition),
      keys.track(partition, "o1"),
      keys.trackMeta(partition, "o1"),
      keys.watch(partition, "o1"),
    ]
  ) assert.equal(/\{(.+?)\}/.exec(key)?.[1], "gothenburg:0", key);
});

Deno.test("shardOf() is stable and spreads ids evenly", () => {
  assert.equal(shardOf("0190f1c2-0000-7000-8000-000000000000", 1), 0);
  assert.equal(shardOf("a", 4), shardOf("a", 4));
  const counts = [0, 0, 0, 0];
  for (let index = 0; index < 4000; index++) {
    const shard = shardOf(uuidv7(1_700_000_000_000 + index), 4);
    counts[shard] = (counts[shard] ?? 0) + 1;
  }
  for (const count of counts) assert.ok(count > 850 && count < 1150, String(counts));
});
