/**
 * What a delivery costs. Pure.
 *
 * The rounding rule, once: the way is rounded to whole metres; each part is rounded to the minor
 * unit for itself, a half up; the total is the sum of the parts and is never rounded. So whoever
 * has the order's distance and the tariff can work the price out again.
 */
import { isWithin } from "shared/hours/opening_hours.ts";
import { type PricePart, roundedShare, sumOf } from "./price_part.ts";
import type { Peak, Zone } from "./zone.ts";

const METRES_PER_KM = 1_000;
const PERCENT = 100;

export interface DeliveryInput {
  /** Of the router, in whole metres. */
  readonly distanceM: number;
  /** What the goods cost; undefined for a parcel, which has no smallest basket. */
  readonly itemsMinor: number | undefined;
  /** The region's fees, where the zone has none of its own. */
  readonly tariff: { readonly baseMinor: number; readonly perKmMinor: number };
  readonly zone: Zone | undefined;
  /** When the order is to be carried out: decides about peak hours. */
  readonly atMs: number;
  /** The region's. */
  readonly timeZone: string;
}

/** The parts of the delivery fee, in the order in which they are shown; empty ones are left out. */
export function priceDelivery(input: DeliveryInput): PricePart[] {
  const { distanceM, tariff, zone } = input;
  if (!Number.isSafeInteger(distanceM) || distanceM < 0) {
    throw new RangeError(`Cannot price: distanceM must be whole and >= 0: it is ${distanceM}`);
  }
  const fees = zone?.fees;
  const perKmMinor = fees?.perKmMinor ?? tariff.perKmMinor;
  const base: PricePart = {
    kind: "delivery_base",
    label: "Delivery",
    amountMinor: fees?.baseMinor ?? tariff.baseMinor,
  };
  const way: PricePart[] = [base, {
    kind: "distance",
    label: `Distance ${(distanceM / METRES_PER_KM).toFixed(1)} km`,
    amountMinor: roundedShare(perKmMinor, distanceM, METRES_PER_KM),
  }];
  if (zone !== undefined) {
    way.push({ kind: "zone", label: zone.name, amountMinor: zone.fees.surchargeMinor });
  }
  const parts = [...way, ...peakPart(sumOf(way), input), ...smallBasketPart(input)];
  // The base is always said, even where it is free.
  return parts.filter((part) => part === base || part.amountMinor !== 0);
}

/** Windows do not add up: the one that costs most at this moment counts. */
function peakPart(deliveryMinor: number, { zone, atMs, timeZone }: DeliveryInput): PricePart[] {
  const amounts = (zone?.fees.peaks ?? [])
    .filter((peak) => isWithin([peak], timeZone, atMs))
    .map((peak): PricePart => ({
      kind: "peak",
      label: peak.label,
      amountMinor: peakMinor(deliveryMinor, peak),
    }));
  return amounts.sort((a, b) => b.amountMinor - a.amountMinor).slice(0, 1);
}

function peakMinor(deliveryMinor: number, peak: Peak): number {
  const more = peak.multiplierPercent - PERCENT;
  return roundedShare(deliveryMinor, more, PERCENT) + peak.additionMinor;
}

function smallBasketPart({ zone, itemsMinor }: DeliveryInput): PricePart[] {
  const minBasketMinor = zone?.fees.minBasketMinor ?? 0;
  if (itemsMinor === undefined || itemsMinor >= minBasketMinor) return [];
  return [{
    kind: "small_basket",
    label: "Small basket",
    amountMinor: minBasketMinor - itemsMinor,
  }];
}
