/** Merchants, menus and zones: the shapes of their requests and answers. */
import { z } from "@hono/zod-openapi";
import { hoursSchema, timeZoneSchema } from "shared/hours/hours_schema.ts";
import { optionGroupsSchema } from "shared/pricing/menu_options.ts";
import { zoneFeesSchema } from "shared/pricing/zone.ts";
import {
  idSchema,
  instantSchema,
  MAX_ADDRESS,
  MAX_MONEY_MINOR,
  MAX_NAME,
  pointSchema,
  words,
} from "./schemas.ts";
import { FLEETS } from "./stores/merchant_store.ts";

const MAX_DESCRIPTION = 2_000;
const MAX_CATEGORY = 60;
const MAX_PREPARATION_MINUTES = 240;
const MAX_SORT_ORDER = 1_000_000;
const MAX_PRIORITY = 1_000;
const MAX_RING_POINTS = 500;
/** Longest a pause may be asked for; a longer one is the switch `takesOrders`. */
const MAX_PAUSE_MINUTES = 7 * 24 * 60;

const name = words(MAX_NAME).trim().min(1);
const description = words(MAX_DESCRIPTION);
const sortOrder = z.int().min(-MAX_SORT_ORDER).max(MAX_SORT_ORDER);

/**
 * A number in a URL. Empty text is no number, although `Number("")` is 0.
 */
export function numberQuery(min: number, max: number) {
  return z.string().regex(/^-?\d+(\.\d+)?(e[+-]?\d+)?$/i, "must be a number").transform(Number)
    .pipe(z.number().min(min).max(max)).openapi({ type: "number", minimum: min, maximum: max });
}

export const regionIdSchema = z.string().min(1).max(41);
export const categorySchema = words(MAX_CATEGORY).trim().min(1);

/** What everybody sees in lists. */
export const merchantSchema = z.object({
  id: idSchema,
  regionId: z.string(),
  name: z.string(),
  category: z.string(),
  address: z.string(),
  location: pointSchema,
  preparationMinutes: z.int(),
  /** Now: the switch, the pause and the hours together. */
  open: z.boolean(),
  /** While closed: when it opens next, where that is known. */
  opensAt: instantSchema.nullable(),
  /** While open: when it closes, where that is in sight. */
  closesAt: instantSchema.nullable(),
  distanceM: z.int().optional(),
}).openapi("Merchant");

/** What everybody sees of one merchant. */
export const merchantDetailsSchema = merchantSchema.extend({
  description: z.string(),
  timeZone: z.string(),
  /** Null keeps no hours: open whenever it is not closed or paused. */
  hours: hoursSchema.nullable(),
}).openapi("MerchantDetails");

/** What the owner sees. */
export const merchantProfileSchema = merchantDetailsSchema.extend({
  accountId: idSchema,
  takesOrders: z.boolean(),
  pausedUntil: instantSchema.nullable(),
  fleet: z.enum(FLEETS),
  createdAt: instantSchema,
  updatedAt: instantSchema,
}).openapi("MerchantProfile");

const merchantFields = {
  name,
  category: categorySchema,
  description,
  address: words(MAX_ADDRESS).trim().min(1),
  location: pointSchema,
  preparationMinutes: z.int().min(0).max(MAX_PREPARATION_MINUTES),
  timeZone: timeZoneSchema.nullable(),
  hours: hoursSchema.nullable(),
  takesOrders: z.boolean(),
  fleet: z.enum(FLEETS),
};

export const createMerchantSchema = z.strictObject({
  ...merchantFields,
  /** Whose it becomes: only an admin names somebody else. */
  accountId: idSchema.optional(),
  description: description.default(""),
  timeZone: merchantFields.timeZone.default(null),
  hours: merchantFields.hours.default(null),
  takesOrders: z.boolean().default(true),
  fleet: merchantFields.fleet.default("shared"),
}).openapi("CreateMerchant");

export const updateMerchantSchema = z.strictObject(merchantFields).partial()
  .openapi("UpdateMerchant");

export const pauseMerchantSchema = z.strictObject({
  minutes: z.int().min(1).max(MAX_PAUSE_MINUTES),
}).openapi("PauseMerchant");

export const categoryCountSchema = z.object({ name: z.string(), merchants: z.int() })
  .openapi("CategoryCount");

export const menuCategorySchema = z.object({
  id: idSchema,
  name: z.string(),
  sortOrder: z.int(),
}).openapi("MenuCategory");

export const createMenuCategorySchema = z.strictObject({
  name,
  sortOrder: sortOrder.default(0),
}).openapi("CreateMenuCategory");

export const updateMenuCategorySchema = z.strictObject({ name, sortOrder }).partial()
  .openapi("UpdateMenuCategory");

export const menuItemSchema = z.object({
  id: idSchema,
  name: z.string(),
  description: z.string(),
  categoryId: idSchema.nullable(),
  sortOrder: z.int(),
  priceMinor: z.int(),
  currency: z.string(),
  available: z.boolean(),
  optionGroups: optionGroupsSchema,
}).openapi("MenuItem");

export const menuSchema = z.object({
  items: z.array(menuItemSchema),
  categories: z.array(menuCategorySchema),
}).openapi("Menu");

const menuItemFields = {
  name,
  description,
  categoryId: idSchema.nullable(),
  sortOrder,
  priceMinor: z.int().min(0).max(MAX_MONEY_MINOR),
  available: z.boolean(),
  optionGroups: optionGroupsSchema,
};

export const createMenuItemSchema = z.strictObject({
  ...menuItemFields,
  description: description.default(""),
  categoryId: menuItemFields.categoryId.default(null),
  sortOrder: sortOrder.default(0),
  available: z.boolean().default(true),
  optionGroups: optionGroupsSchema.default([]),
}).openapi("CreateMenuItem");

export const updateMenuItemSchema = z.strictObject(menuItemFields).partial()
  .openapi("UpdateMenuItem");

const zoneFields = {
  name,
  /** Three points or more; the last may repeat the first. */
  ring: z.array(pointSchema).min(3).max(MAX_RING_POINTS),
  /** Where zones overlap the highest counts, then the one that was made first. */
  priority: z.int().min(-MAX_PRIORITY).max(MAX_PRIORITY).default(0),
  fees: zoneFeesSchema,
};

export const createZoneSchema = z.strictObject({ regionId: regionIdSchema, ...zoneFields })
  .openapi("CreateZone");
export const replaceZoneSchema = z.strictObject(zoneFields).openapi("ReplaceZone");

export const zoneSchema = z.object({
  id: idSchema,
  regionId: z.string(),
  name: z.string(),
  ring: z.array(pointSchema),
  priority: z.int(),
  fees: zoneFeesSchema,
  createdAt: instantSchema,
  updatedAt: instantSchema,
}).openapi("Zone");

export const courierFleetSchema = z.strictObject({ merchantId: idSchema.nullable() })
  .openapi("CourierFleet");
