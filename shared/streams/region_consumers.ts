import type { Envelope } from "shared/events/catalogue.ts";
import { forEachPartition, type PartitionWork } from "shared/regions/partitions.ts";
import { consumeEvents, type EventConsumerOptions } from "./event_consumer.ts";

export type RegionConsumerOptions =
  & Omit<EventConsumerOptions, "partition" | "handle" | "onTaken">
  & { handle(event: Envelope, partition: PartitionWork): Promise<void> };

/** Consumes the events of every partition for a group; leases share them among processes. */
export async function consumeRegions(options: RegionConsumerOptions): Promise<void> {
  await forEachPartition(
    options,
    (work) =>
      consumeEvents({
        ...options,
        partition: work.partition,
        handle: (event) => options.handle(event, work),
      }),
  );
}
