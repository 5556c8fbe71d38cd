/** A region with its relay running, and matchers that a test starts and stops. */
import { Registry } from "prom-client";
import { Wake } from "shared/clock/wake.ts";
import { silentLog } from "shared/log/log.ts";
import { runRelay } from "shared/outbox/relay.ts";
import { DEFAULT_REGION_POLICY, Regions } from "shared/regions/region.ts";
import { dispatchPartition } from "../../services/matcher/dispatch_partition.ts";
import { createMatcherMetrics, type MatcherMetrics } from "../../services/matcher/metrics.ts";
import { Background } from "./background.ts";
import { CourierIndex } from "./couriers.ts";
import { eventually } from "./eventually.ts";
import { insertAccount, insertOrder, insertRegion, REGION } from "./fixtures.ts";
import { PARTITION, relayOptions, takeRelayLease } from "./outbox.ts";
import type { TestStores } from "./stores.ts";
import { withStores } from "./with_stores.ts";

const TICK_MS = 100;
/** The name of the lease under which a partition is dispatched. */
export const MATCHER_LEASE = `consumer:matcher:${PARTITION}`;

export const PARTITION_WORK = {
  region: {
    id: REGION,
    name: "Testville",
    shards: 1,
    timeZone: "Europe/Stockholm",
    currency: "SEK",
    area: [],
    bounds: { south: 57.6, west: 11.8, north: 57.8, east: 12 },
    policy: DEFAULT_REGION_POLICY,
    policyVersion: 1,
  },
  shard: 0,
  partition: PARTITION,
};

export interface OfferRow {
  readonly id: string;
  readonly orderId: string;
  readonly courierId: string;
  readonly status: string;
  readonly attempt: number;
  readonly distanceToPickupM: number;
}

/** A matcher that runs until it is stopped. */
export class RunningMatcher {
  readonly metrics: MatcherMetrics = createMatcherMetrics(new Registry());
  readonly background = new Background();

  /** How many offers this one has made. */
  async offersMade(): Promise<number> {
    const { values } = await this.metrics.offers.get();
    return values.reduce((sum, { value }) => sum + value, 0);
  }

  async stop(): Promise<void> {
    await this.background.stop();
  }
}

export class MatcherWorld {
  readonly stores: TestStores;
  readonly index: CourierIndex;
  readonly #relayWake = new Wake();
  readonly #customerId: string;
  readonly #matchers: RunningMatcher[] = [];

  constructor(stores: TestStores, customerId: string) {
    this.stores = stores;
    this.index = new CourierIndex(stores);
    this.#customerId = customerId;
  }

  /** Starts a matcher of the test partition. */
  startMatcher(owner = "matcher", openBlocking = this.stores.openBlocking): RunningMatcher {
    const { sql, redis, keys } = this.stores;
    const matcher = new RunningMatcher();
    this.#matchers.push(matcher);
    matcher.background.run((signal) =>
      dispatchPartition({
        sql,
        redis,
        keys,
        openBlocking,
        regions: new Regions(sql),
        metrics: matcher.metrics,
        log: silentLog,
        signal,
        owner,
        tickMs: TICK_MS,
        notifyOutbox: () => this.tellRelay(),
      }, PARTITION_WORK)
    );
    return matcher;
  }

  /** Relays, until the background stops. */
  async relay(background: Background): Promise<void> {
    const lease = await takeRelayLease(this.stores.sql);
    background.run((signal) =>
      runRelay(relayOptions(this.stores, lease, { signal, wake: this.#relayWake }))
    );
  }

  tellRelay(): void {
    this.#relayWake.notify();
  }

  /** A parcel that waits for a courier at the pickup. */
  async placeOrder(): Promise<string> {
    const orderId = await insertOrder(this.stores.sql, { customerId: this.#customerId });
    this.tellRelay();
    return orderId;
  }

  async offersOf(orderId: string): Promise<OfferRow[]> {
    return [
      ...await this.stores.sql<OfferRow[]>`
        select id, order_id, courier_id, status, attempt, distance_to_pickup_m from offers
        where order_id = ${orderId} order by attempt`,
    ];
  }

  /** The order's pending offer, once it has made that many attempts. */
  async offered(orderId: string, attempt = 1): Promise<OfferRow> {
    return await eventually(`order gets offer ${attempt}`, async () => {
      const offers = await this.offersOf(orderId);
      return offers.find((offer) => offer.status === "pending" && offer.attempt === attempt);
    });
  }

  async stop(): Promise<void> {
    await Promise.all(this.#matchers.map((matcher) => matcher.stop()));
  }
}

/** Runs one test in such a world. */
export async function withMatcherWorld(use: (world: MatcherWorld) => Promise<void>): Promise<void> {
  await withStores(async (stores) => {
    await insertRegion(stores.sql);
    const world = new MatcherWorld(stores, await insertAccount(stores.sql, "customer"));
    await using background = new Background();
    await world.relay(background);
    try {
      await use(world);
    } finally {
      await world.stop();
    }
  });
}
