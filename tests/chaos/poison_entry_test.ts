import { partitionOf } from "shared/redis/keys.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { runFault, RUNS_ALL } from "./run_fault.ts";

Deno.test({
  name: "poison in the event stream and in the positions breaks no promise",
  ignore: !RUNS_ALL,
  fn: async () => {
    await runFault({
      name: "poison-entry",
      inject: async ({ redis, keys, city, customers }) => {
        const partition = partitionOf(city.region.id, 0);
        const events = keys.events(partition);
        const envelope = {
          id: uuidv7(),
          type: "offer.made",
          version: 1,
          region: city.region.id,
          key: customers.placed[0]?.id,
          occurredAt: new Date().toISOString(),
          trace: null,
          data: { orderId: "not an id" },
        };
        await redis.xadd(events, "*", "nothing", "of ours");
        await redis.xadd(events, "*", "event", "{not json");
        await redis.xadd(events, "*", "event", JSON.stringify(envelope));
        // A type of a later version is no poison: it is passed over.
        await redis.xadd(events, "*", "event", JSON.stringify({ ...envelope, type: "order.sung" }));
        await redis.xadd(keys.positions(partition), "*", "couriers", "[{not json");
        return { junkEntries: 3, junkPositions: 1 };
      },
    });
  },
});
