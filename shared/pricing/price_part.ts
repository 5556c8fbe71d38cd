/** A price is a list of parts: what is charged, by kind, in integer minor units. */
import { z } from "zod";

/**
 * Kinds of parts. The list grows (surge, discounts); a client that meets an unknown kind shows its
 * label and its amount.
 */
export const PRICE_PART_KINDS = [
  /** The goods, with their options. */
  "items",
  /** The fixed part of the delivery fee. */
  "delivery_base",
  /** The way from pickup to dropoff. */
  "distance",
  /** What the dropoff's zone adds. */
  "zone",
  /** What the hour adds. */
  "peak",
  /** What is missing to the smallest basket. */
  "small_basket",
  /** What the customer gives to the courier. */
  "tip",
] as const;
export type PricePartKind = (typeof PRICE_PART_KINDS)[number];

export const pricePartSchema = z.object({
  kind: z.enum(PRICE_PART_KINDS),
  label: z.string(),
  amountMinor: z.int(),
});

/** One line of a price. `amountMinor` may be negative only for a discount. */
export interface PricePart {
  readonly kind: PricePartKind;
  /** For people, in English. */
  readonly label: string;
  readonly amountMinor: number;
}

/** A whole price; `totalMinor` is the sum of the parts and nothing else. */
export interface Price {
  readonly parts: readonly PricePart[];
  readonly totalMinor: number;
  readonly currency: string;
}

/** Adds the parts up. */
export function priceOf(parts: readonly PricePart[], currency: string): Price {
  return { parts, totalMinor: sumOf(parts), currency };
}

/** The sum of parts, of one or more kinds where they are given. */
export function sumOf(parts: readonly PricePart[], ...kinds: readonly PricePartKind[]): number {
  return parts.filter(({ kind }) => kinds.length === 0 || kinds.includes(kind))
    .reduce((sum, { amountMinor }) => sum + amountMinor, 0);
}

/** The parts of a delivery fee: all but goods and tip. */
export function deliveryMinorOf(parts: readonly PricePart[]): number {
  return sumOf(parts) - sumOf(parts, "items", "tip");
}

/** The tip as a part; none where nothing is given. */
export function tipPart(tipMinor: number): PricePart[] {
  return tipMinor === 0 ? [] : [{ kind: "tip", label: "Tip", amountMinor: tipMinor }];
}

/**
 * A share of an amount, rounded to the minor unit: a half goes up. In whole numbers throughout,
 * because a product of decimals may miss the half by a hair.
 *
 * @param amountMinor, numerator and denominator are whole and not negative; the product stays below
 * 2^53 within the bounds of fees and distances.
 */
export function roundedShare(amountMinor: number, numerator: number, denominator: number): number {
  return Math.floor((2 * amountMinor * numerator + denominator) / (2 * denominator));
}
