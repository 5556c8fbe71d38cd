import type { Fix, FixCode } from "shared/availability/availability.ts";
import { Availability } from "shared/availability/availability.ts";
import type { Partition, RedisKeys } from "shared/redis/keys.ts";
import type { Redis } from "shared/redis/connect.ts";
import type { CourierDirectory } from "./courier_directory.ts";
import { FixBatcher } from "./fix_batcher.ts";
import type { LastPositions } from "./last_positions.ts";
import type { IngestMetrics } from "./metrics.ts";

export interface FixRecorderDeps {
  readonly redis: Redis;
  readonly keys: RedisKeys;
  readonly directory: CourierDirectory;
  readonly lastPositions: LastPositions;
  readonly metrics: IngestMetrics;
}

/** The one function in which all ways of sending a position end. */
export class FixRecorder {
  readonly #deps: FixRecorderDeps;
  readonly #batchers = new Map<Partition, FixBatcher>();

  constructor(deps: FixRecorderDeps) {
    this.#deps = deps;
  }

  /**
   * Records one fix of a courier; resolves after Redis accepted or refused it.
   * A courier that Redis does not know (first fix, or Redis lost), or has as offline although
   * Postgres does not, is loaded from Postgres once.
   */
  async record(courierId: string, fix: Fix): Promise<FixCode> {
    const code = await this.#recordOnce(courierId, fix);
    this.#deps.metrics.fixes.inc({ result: code });
    if (code === "accepted") this.#deps.lastPositions.note(courierId, fix);
    return code;
  }

  async #recordOnce(courierId: string, fix: Fix): Promise<FixCode> {
    const partition = await this.#deps.directory.partitionOf(courierId);
    if (partition === undefined) return "unknown";
    const batcher = this.#batcherOf(partition);
    const code = await batcher.submit(courierId, fix);
    if (code !== "unknown" && code !== "off_shift") return code;
    const courier = await this.#deps.directory.read(courierId);
    if (courier === undefined) return "unknown";
    if (code === "off_shift" && courier.status === "offline") return code;
    await this.#availabilityOf(partition).applyStatus(courier.id, courier.status, courier.version);
    return await batcher.submit(courierId, fix);
  }

  #batcherOf(partition: Partition): FixBatcher {
    let batcher = this.#batchers.get(partition);
    if (batcher === undefined) {
      batcher = new FixBatcher(this.#availabilityOf(partition), this.#deps.metrics);
      this.#batchers.set(partition, batcher);
    }
    return batcher;
  }

  #availabilityOf(partition: Partition): Availability {
    return new Availability(this.#deps.redis, this.#deps.keys, partition);
  }
}
