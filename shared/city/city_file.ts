/**
 * `city.json`: what a city folder says about itself. Streets are either a file beside it (see
 * shared/streets/streets_file.ts) or the parameters of a made-up grid.
 */
import { z } from "zod";
import { polygonContains } from "shared/geo/area.ts";
import { pointSchema } from "shared/geo/point_schema.ts";
import { VEHICLES } from "shared/streets/vehicle.ts";

const slug = z.string().regex(/^[a-z0-9]+(-[a-z0-9]+)*$/).max(60);
const text = z.string().min(1).max(200);
const MAX_COURIERS = 100_000;
const MAX_SEED = 2 ** 32 - 1;

const gridSchema = z.strictObject({
  kind: z.literal("grid"),
  origin: pointSchema,
  rows: z.int().min(3).max(500),
  columns: z.int().min(3).max(500),
  blockM: z.number().min(10).max(1_000),
  oneWayEvery: z.int().min(0).max(500),
  maxSpeedKmh: z.int().min(0).max(255),
  attribution: text,
});
const streetsFileSchema = z.strictObject({
  kind: z.literal("file"),
  // A plain name: a city may read nothing outside its own folder.
  file: z.string().regex(/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/).max(100),
});

const merchantSchema = z.strictObject({
  slug,
  name: text,
  category: text,
  location: pointSchema,
  address: text,
  preparationMinutes: z.int().min(0).max(240),
  menu: z.array(
    z.strictObject({ slug, name: text, priceMinor: z.int().min(0).max(100_000_000) }),
  ).min(1).max(500).refine(slugsDiffer, "menu slugs must differ"),
});

/** The whole file. Unknown fields are refused: a misspelt one would silently do nothing. */
export const cityFileSchema = z.strictObject({
  region: z.strictObject({
    id: slug,
    name: text,
    timeZone: text.refine(isTimeZone, "must be an IANA time zone"),
    currency: z.string().regex(/^[A-Z]{3}$/),
    servedArea: z.array(pointSchema).min(3).max(1_000),
  }),
  streets: z.discriminatedUnion("kind", [gridSchema, streetsFileSchema]),
  merchants: z.array(merchantSchema).max(10_000).refine(slugsDiffer, "merchant slugs must differ"),
  fleet: z.strictObject({
    seed: z.int().min(0).max(MAX_SEED),
    couriers: z.array(
      z.strictObject({ vehicle: z.enum(VEHICLES), count: z.int().min(1).max(MAX_COURIERS) }),
    ),
  }),
  customers: z.strictObject({
    seed: z.int().min(0).max(MAX_SEED),
    count: z.int().min(0).max(1_000_000),
  }),
}).superRefine((city, context) => {
  city.merchants.forEach((merchant, index) => {
    if (polygonContains(city.region.servedArea, merchant.location)) return;
    context.addIssue({
      code: "custom",
      path: ["merchants", index, "location"],
      message: "must lie inside region.servedArea",
    });
  });
});
export type CityFile = z.infer<typeof cityFileSchema>;

function slugsDiffer(entries: readonly { slug: string }[]): boolean {
  return new Set(entries.map((entry) => entry.slug)).size === entries.length;
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}
