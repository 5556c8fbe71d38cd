import {
  categoryCountSchema,
  courierFleetSchema,
  createMenuCategorySchema,
  createMenuItemSchema,
  createMerchantSchema,
  createZoneSchema,
  menuCategorySchema,
  menuItemSchema,
  menuSchema,
  merchantDetailsSchema,
  merchantProfileSchema,
  merchantSchema,
  pauseMerchantSchema,
  replaceZoneSchema,
  updateMenuCategorySchema,
  updateMenuItemSchema,
  updateMerchantSchema,
  zoneSchema,
} from "../catalogue_schemas.ts";
import { quoteRequestSchema, quoteSchema, unserviceableSchema } from "../quote_schemas.ts";
import { regionSchema } from "../schemas.ts";
import { type Example, example, examples, ID } from "./example.ts";

const MERCHANT = {
  id: ID.merchant,
  regionId: "gothenburg",
  name: "Noodle house",
  category: "restaurant",
  address: "Linnégatan 8",
  location: { lat: 57.6941, lon: 11.9527 },
  preparationMinutes: 12,
  open: true,
  opensAt: null,
  closesAt: "2026-03-02T21:00:00.000Z",
};
const HOURS = {
  weekly: [{ day: 1, opens: "11:00", closes: "22:00" }, {
    day: 5,
    opens: "11:00",
    closes: "01:00",
  }],
  exceptions: [{ date: "2026-12-24", intervals: [] }],
};
const DETAILS = {
  ...MERCHANT,
  description: "Noodles, made while you wait",
  timeZone: "Europe/Stockholm",
  hours: HOURS,
};
const PROFILE = {
  ...DETAILS,
  accountId: ID.account,
  takesOrders: true,
  pausedUntil: null,
  fleet: "shared" as const,
  createdAt: "2026-01-10T08:00:00.000Z",
  updatedAt: "2026-03-01T08:00:00.000Z",
};
const CATEGORY = { id: ID.category, name: "Bowls", sortOrder: 1 };
const ITEM = {
  name: "Noodle bowl",
  description: "With tofu and greens",
  categoryId: ID.category,
  sortOrder: 1,
  priceMinor: 12900,
  available: true,
  optionGroups: [{
    id: "size",
    name: "Size",
    minChoices: 1,
    maxChoices: 1,
    options: [
      { id: "small", name: "Small" },
      { id: "large", name: "Large", priceDeltaMinor: 2000 },
    ],
  }],
};
const MENU_ITEM = { id: ID.menuItem, currency: "SEK", ...ITEM };
const ZONE = {
  name: "Islands",
  ring: [{ lat: 57.68, lon: 11.85 }, { lat: 57.68, lon: 11.9 }, { lat: 57.7, lon: 11.88 }],
  priority: 10,
  fees: {
    baseMinor: 3900,
    perKmMinor: 600,
    surchargeMinor: 2500,
    minBasketMinor: 15000,
    peaks: [{ day: 5, opens: "17:00", closes: "20:00", label: "Friday", multiplierPercent: 125 }],
  },
};
const DROPOFF = { lat: 57.7006, lon: 11.9682, address: "Vasagatan 12" };

const MERCHANT_EXAMPLES: Readonly<Record<string, Example>> = {
  Merchant: example(merchantSchema, { ...MERCHANT, distanceM: 940 }),
  MerchantDetails: example(merchantDetailsSchema, DETAILS),
  MerchantProfile: example(merchantProfileSchema, PROFILE),
  CreateMerchant: example(createMerchantSchema, {
    name: "Noodle house",
    category: "restaurant",
    address: "Linnégatan 8",
    location: MERCHANT.location,
    preparationMinutes: 12,
    timeZone: "Europe/Stockholm",
    hours: HOURS,
  }),
  UpdateMerchant: example(updateMerchantSchema, { preparationMinutes: 18, takesOrders: true }),
  PauseMerchant: example(pauseMerchantSchema, { minutes: 30 }),
  CategoryCount: example(categoryCountSchema, { name: "restaurant", merchants: 14 }),
  CourierFleet: example(courierFleetSchema, { merchantId: ID.merchant }),
};

const MENU_EXAMPLES: Readonly<Record<string, Example>> = {
  MenuCategory: example(menuCategorySchema, CATEGORY),
  CreateMenuCategory: example(createMenuCategorySchema, { name: "Bowls", sortOrder: 1 }),
  UpdateMenuCategory: example(updateMenuCategorySchema, { sortOrder: 2 }),
  MenuItem: example(menuItemSchema, MENU_ITEM),
  Menu: example(menuSchema, { items: [MENU_ITEM], categories: [CATEGORY] }),
  CreateMenuItem: example(createMenuItemSchema, ITEM),
  UpdateMenuItem: example(updateMenuItemSchema, { priceMinor: 13900, available: false }),
};

const ZONE_EXAMPLES: Readonly<Record<string, Example>> = {
  Zone: example(zoneSchema, {
    id: ID.zone,
    regionId: "gothenburg",
    ...ZONE,
    createdAt: "2026-01-10T08:00:00.000Z",
    updatedAt: "2026-03-01T08:00:00.000Z",
  }),
  CreateZone: example(createZoneSchema, { regionId: "gothenburg", ...ZONE }),
  ReplaceZone: example(replaceZoneSchema, ZONE),
};

const QUOTE_EXAMPLES: Readonly<Record<string, Example>> = {
  QuoteRequest: examples(quoteRequestSchema, {
    marketplace: {
      kind: "marketplace",
      merchantId: ID.merchant,
      items: [{ menuItemId: ID.menuItem, quantity: 2, options: [{ optionId: "large" }] }],
      dropoff: DROPOFF,
    },
    parcel: { kind: "parcel", pickup: MERCHANT.location, dropoff: DROPOFF, tipMinor: 500 },
  }),
  Quote: example(quoteSchema, {
    serviceable: true,
    id: ID.quote,
    regionId: "gothenburg",
    price: {
      parts: [
        { kind: "items", label: "Items", amountMinor: 29800 },
        { kind: "delivery_base", label: "Delivery", amountMinor: 2990 },
        { kind: "distance", label: "Distance, 1.84 km", amountMinor: 920 },
      ],
      totalMinor: 33710,
      currency: "SEK",
    },
    items: [{
      menuItemId: ID.menuItem,
      name: "Noodle bowl",
      quantity: 2,
      priceMinor: 14900,
      options: [{ optionId: "large", name: "Large", quantity: 1, priceDeltaMinor: 2000 }],
    }],
    distanceM: 1840,
    eta: {
      estimated: true,
      p50At: "2026-03-02T12:35:00.000Z",
      p90At: "2026-03-02T12:47:00.000Z",
    },
    createdAt: "2026-03-02T12:00:00.000Z",
    validUntil: "2026-03-02T12:15:00.000Z",
  }),
  Unserviceable: example(unserviceableSchema, {
    serviceable: false,
    reason: {
      code: "order.outside_service_area",
      title: "Outside the served area",
      field: "dropoff",
    },
  }),
};

export const CATALOGUE_EXAMPLES: Readonly<Record<string, Example>> = {
  Region: example(regionSchema, {
    id: "gothenburg",
    name: "Gothenburg",
    timeZone: "Europe/Stockholm",
    currency: "SEK",
    bounds: { south: 57.68, west: 11.92, north: 57.73, east: 12.01 },
  }),
  ...MERCHANT_EXAMPLES,
  ...MENU_EXAMPLES,
  ...ZONE_EXAMPLES,
  ...QUOTE_EXAMPLES,
};
