import { z } from "zod";
import { type Bounds, boundsOf, polygonContains } from "shared/geo/area.ts";
import type { Point } from "shared/geo/point.ts";
import type { Queryable, Sql } from "shared/sql/connect.ts";
import { VEHICLES } from "shared/streets/vehicle.ts";

/** What couriers get of what customers pay, and what a late cancellation costs. */
export const settlementSchema = z.strictObject({
  /** The courier's part of the delivery fee and of cancellation fees; tips are all the courier's. */
  courierSharePercent: z.int().min(0).max(100),
  /** What a customer pays who cancels after a courier has accepted, or has come to the pickup. */
  cancellation: z.strictObject({
    acceptedMinor: z.int().min(0).max(1_000_000),
    arrivedMinor: z.int().min(0).max(1_000_000),
  }),
});
export type SettlementPolicy = z.infer<typeof settlementSchema>;

/** What a region starts with: the fee of a base way once the courier has come for nothing. */
export const DEFAULT_SETTLEMENT: SettlementPolicy = {
  courierSharePercent: 80,
  cancellation: { acceptedMinor: 150, arrivedMinor: 299 },
};

/**
 * How a region dispatches and prices: data, versioned and validated, so that it can change without
 * a release. Money is in minor units of the region's currency.
 */
export const regionPolicySchema = z.strictObject({
  dispatch: z.strictObject({
    policy: z.enum(["nearest"]),
    offerTtlMs: z.int().min(1_000).max(600_000),
    /** Couriers farther from the pickup than this are not asked. */
    maxRadiusM: z.int().min(100).max(100_000),
    /** Longest way from pickup to dropoff that a vehicle is asked to go; any where it is absent. */
    maxTripM: z.partialRecord(z.enum(VEHICLES), z.int().min(100).max(1_000_000)).default({}),
    /** A courier who let an offer lapse is asked again for the same order after this long. */
    askAgainAfterMs: z.int().min(0).max(3_600_000),
  }),
  pricing: z.strictObject({
    baseMinor: z.int().min(0).max(1_000_000),
    perKmMinor: z.int().min(0).max(1_000_000),
  }),
  settlement: settlementSchema.default(DEFAULT_SETTLEMENT),
});
export type RegionPolicy = z.infer<typeof regionPolicySchema>;

/** What a region starts with. 2.99 + 0.50 per km is the older marketplace's fee. */
export const DEFAULT_REGION_POLICY: RegionPolicy = {
  dispatch: {
    policy: "nearest",
    offerTtlMs: 30_000,
    maxRadiusM: 10_000,
    maxTripM: { foot: 1_500, bicycle: 7_000 },
    askAgainAfterMs: 60_000,
  },
  pricing: { baseMinor: 299, perKmMinor: 50 },
  settlement: DEFAULT_SETTLEMENT,
};

/** A city or zone: the unit of partition and of policy. */
export interface Region {
  readonly id: string;
  readonly name: string;
  readonly shards: number;
  readonly timeZone: string;
  readonly currency: string;
  /** Served area, an open ring. */
  readonly area: readonly Point[];
  readonly bounds: Bounds;
  readonly policy: RegionPolicy;
  readonly policyVersion: number;
}

/** Whether orders may be picked up and dropped off here. */
export function serves(region: Region, point: Point): boolean {
  return polygonContains(region.area, point);
}

interface RegionRow {
  readonly id: string;
  readonly name: string;
  readonly shards: number;
  readonly timeZone: string;
  readonly currency: string;
  readonly area: readonly (readonly [number, number])[];
  readonly policy: unknown;
  readonly policyVersion: number;
}

/**
 * Reads all regions whose policy is valid. One that is not stands still, without taking the others
 * along; `onInvalid` is told why.
 */
export async function readRegions(
  sql: Queryable,
  onInvalid: (regionId: string, problem: string) => void = () => {},
): Promise<Region[]> {
  const rows = await sql<RegionRow[]>`
    select id, name, shards, time_zone, currency, area, policy, policy_version
    from regions order by id`;
  return rows.flatMap(({ area, policy, ...row }) => {
    const parsed = regionPolicySchema.safeParse(policy);
    if (!parsed.success) {
      onInvalid(row.id, z.prettifyError(parsed.error));
      return [];
    }
    const ring = area.map(([lat, lon]) => ({ lat, lon }));
    return [{ ...row, area: ring, bounds: boundsOf(ring), policy: parsed.data }];
  });
}

const CACHE_MS = 10_000;

/** Regions with a short memory: they change rarely, and every order asks for them. */
export class Regions {
  readonly #sql: Sql;
  readonly #now: () => number;
  #cached: { regions: Promise<Region[]>; untilMs: number } | undefined;

  constructor(sql: Sql, now: () => number = () => performance.now()) {
    this.#sql = sql;
    this.#now = now;
  }

  async all(): Promise<Region[]> {
    if (this.#cached === undefined || this.#now() >= this.#cached.untilMs) {
      const regions = readRegions(this.#sql);
      this.#cached = { regions, untilMs: this.#now() + CACHE_MS };
      // A failed read must not be remembered.
      regions.catch(() => this.#cached = undefined);
    }
    return await this.#cached.regions;
  }

  async find(id: string): Promise<Region | undefined> {
    return (await this.all()).find((region) => region.id === id);
  }

  /** The region that serves a place. */
  async findServing(point: Point): Promise<Region | undefined> {
    return (await this.all()).find((region) => serves(region, point));
  }
}
