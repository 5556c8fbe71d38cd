/** Zones: parts of a region with fees of their own. */
import { z } from "zod";
import { polygonContains } from "shared/geo/area.ts";
import type { Point } from "shared/geo/point.ts";
import { weeklyIntervalSchema } from "shared/hours/hours_schema.ts";

const MAX_FEE_MINOR = 1_000_000;
/** With the longest ways and the highest multiplier a fee stays below 2^31 minor units. */
const MAX_PER_KM_MINOR = 100_000;
const MAX_PEAKS = 50;
const MIN_PERCENT = 100;
const MAX_PERCENT = 1_000;
const MAX_NAME = 100;

const feeMinor = z.int().min(0).max(MAX_FEE_MINOR);

/** A window of the week in which delivery costs more; the clock is the region's. */
export const peakSchema = weeklyIntervalSchema.extend({
  label: z.string().trim().min(1).max(MAX_NAME)
    .refine((text) => !text.includes("\0") && text.isWellFormed(), {
      message: "must be well-formed Unicode without the character NUL",
    }),
  /** 150 is half as much again on base, distance and zone. */
  multiplierPercent: z.int().min(MIN_PERCENT).max(MAX_PERCENT).default(MIN_PERCENT),
  /** Added after the multiplier. */
  additionMinor: feeMinor.default(0),
});
export type Peak = z.infer<typeof peakSchema>;

/** The fees of a zone; what is absent is the region's. */
export const zoneFeesSchema = z.strictObject({
  baseMinor: feeMinor.nullable().default(null),
  perKmMinor: z.int().min(0).max(MAX_PER_KM_MINOR).nullable().default(null),
  /** Added for every order into the zone, as for a ferry. */
  surchargeMinor: feeMinor.default(0),
  /** A basket below this pays the difference as a part of its own; 0 for none. */
  minBasketMinor: feeMinor.default(0),
  peaks: z.array(peakSchema).max(MAX_PEAKS).default([]),
});
export type ZoneFees = z.infer<typeof zoneFeesSchema>;

/** A zone as it prices orders. */
export interface Zone {
  readonly id: string;
  readonly name: string;
  /** An open ring. */
  readonly ring: readonly Point[];
  /** Where zones overlap the highest counts, then the smaller id. */
  readonly priority: number;
  readonly fees: ZoneFees;
}

/** The zone whose fees hold for a dropoff. */
export function zoneOf(zones: readonly Zone[], dropoff: Point): Zone | undefined {
  let best: Zone | undefined;
  for (const zone of zones) {
    if (!polygonContains(zone.ring, dropoff)) continue;
    if (best === undefined || comesBefore(zone, best)) best = zone;
  }
  return best;
}

function comesBefore(zone: Zone, other: Zone): boolean {
  return zone.priority > other.priority ||
    zone.priority === other.priority && zone.id < other.id;
}
