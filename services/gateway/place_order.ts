import { trackingToken } from "shared/auth/server_secrets.ts";
import { hashToken } from "shared/auth/token.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import type { NewOrder, Place } from "shared/orders/insert_order.ts";
import { type Refusal, refuse } from "shared/orders/refusal.ts";
import type { OrderMode } from "shared/orders/rows.ts";
import { shardOf } from "shared/redis/keys.ts";
import { type Region, serves } from "shared/regions/region.ts";
import { createHaversineRouter } from "shared/routing/haversine_router.ts";
import type { Router } from "shared/routing/router.ts";
import type { GatewayDeps } from "./deps.ts";
import { estimateDelivery } from "./estimate.ts";
import { deliveryFeeMinor, priceItems } from "./price_order.ts";
import type { PlaceOrder } from "./order_schemas.ts";
import { scheduleOrder } from "./order_window.ts";
import { findMerchant, listMenu } from "./stores/merchant_store.ts";
import type { OrderItem } from "./stores/order_store.ts";

/** Whose way distance and first estimate assume, until a courier is chosen. */
const ASSUMED_VEHICLE = "motorcycle";

/** The account that places an order, and as what. */
export interface Placer {
  readonly accountId: string;
  readonly placedBy: NewOrder["placedBy"];
  readonly mode: OrderMode;
}

/** A checked order. */
export interface PreparedOrder {
  readonly ok: true;
  readonly order: NewOrder;
}

interface Goods {
  readonly ok: true;
  readonly region: Region;
  readonly merchantId: string | null;
  readonly items: readonly OrderItem[];
  readonly itemsMinor: number;
  readonly pickup: Place;
  readonly preparationMinutes: number;
}

/** Checks and prices what somebody asks for. Reads only; writes nothing. */
export async function prepareOrder(
  deps: GatewayDeps,
  placer: Placer,
  wanted: PlaceOrder,
): Promise<PreparedOrder | Refusal> {
  const goods = wanted.kind === "marketplace"
    ? await basket(deps, wanted)
    : await parcel(deps, wanted.pickup);
  if (!goods.ok) return goods;
  const { region, pickup } = goods;
  if (!serves(region, wanted.dropoff)) return outside("dropoff", wanted.dropoff, region);
  const way = await wayOf(deps.streets.get(region.id)?.router, pickup, wanted.dropoff);
  if (!way.ok) return way;
  const nowMs = Date.now();
  const scheduled = scheduleOrder({
    window: wanted.window,
    nowMs,
    estimatedAt: estimateDelivery({
      nowMs,
      preparationMinutes: goods.preparationMinutes,
      drivingS: way.durationS,
      speed: deps.speed,
    }),
  });
  if (!scheduled.ok) return scheduled;
  const id = uuidv7();
  const order: NewOrder = {
    id,
    region: region.id,
    shard: shardOf(id, region.shards),
    customerId: placer.accountId,
    placedBy: placer.placedBy,
    mode: placer.mode,
    merchantId: goods.merchantId,
    items: goods.items,
    pickup,
    ...wishesOf(wanted),
    schedule: scheduled.schedule,
    distanceM: Math.round(way.distanceM),
    preparationMinutes: goods.preparationMinutes,
    price: {
      items: goods.itemsMinor,
      delivery: deliveryFeeMinor(way.distanceM, region.policy.pricing),
      tip: wanted.tipMinor ?? 0,
    },
    currency: region.currency,
    estimatedDeliveryAt: scheduled.estimatedAt,
    trackingTokenHash: await hashToken(await trackingToken(deps.secrets, id)),
  };
  return { ok: true, order };
}

/** What is kept of a request as it was said. */
function wishesOf(wanted: PlaceOrder) {
  const isParcel = wanted.kind === "parcel";
  return {
    kind: wanted.kind,
    externalId: wanted.externalId ?? null,
    note: wanted.note ?? null,
    dropoff: wanted.dropoff,
    pickupNote: isParcel ? wanted.pickupNote ?? null : null,
    dropoffNote: wanted.dropoffNote ?? null,
    pickupContact: isParcel ? wanted.pickupContact ?? null : null,
    dropoffContact: wanted.dropoffContact ?? null,
    size: isParcel ? wanted.size ?? null : null,
    weightG: isParcel ? wanted.weightG ?? null : null,
    requiredVehicles: isParcel ? wanted.requiredVehicles ?? [] : [],
    requiredSkills: isParcel ? wanted.requiredSkills ?? [] : [],
    cashMinor: wanted.cashOnDeliveryMinor ?? 0,
  };
}

async function basket(
  deps: GatewayDeps,
  wanted: Extract<PlaceOrder, { kind: "marketplace" }>,
): Promise<Goods | Refusal> {
  const merchant = await findMerchant(deps.sql, wanted.merchantId);
  if (merchant === undefined) return refuse("merchant.not_found");
  if (!merchant.open) return refuse("merchant.closed", `${merchant.name} is closed`);
  const region = await deps.regions.find(merchant.region);
  if (region === undefined) return refuse("region.not_found");
  const priced = priceItems(wanted.items, await listMenu(deps.sql, merchant.id));
  if (!priced.ok) return priced;
  return {
    ok: true,
    region,
    merchantId: merchant.id,
    items: priced.items,
    itemsMinor: priced.totalMinor,
    pickup: { ...merchant.location, address: merchant.address },
    preparationMinutes: merchant.preparationMinutes,
  };
}

async function parcel(deps: GatewayDeps, pickup: Place): Promise<Goods | Refusal> {
  const region = await deps.regions.findServing(pickup);
  if (region === undefined) return outside("pickup", pickup);
  return {
    ok: true,
    region,
    merchantId: null,
    items: [],
    itemsMinor: 0,
    pickup,
    preparationMinutes: 0,
  };
}

function outside(end: "pickup" | "dropoff", place: Place, region?: Region): Refusal {
  const area = region === undefined ? "a served area" : `the served area of ${region.name}`;
  return refuse(
    "order.outside_service_area",
    `Cannot place the order: ${end} must be inside ${area}: it is at ${place.lat}, ${place.lon}`,
    { field: end, ...(region === undefined ? {} : { bounds: region.bounds }) },
  );
}

const straightLines = createHaversineRouter();

async function wayOf(router: Router | undefined, pickup: Place, dropoff: Place) {
  const options = { vehicle: ASSUMED_VEHICLE } as const;
  const way = await (router ?? straightLines).route(pickup, dropoff, options);
  if (way.ok) return way;
  if (way.code === "router_unavailable") return await straightLine(pickup, dropoff);
  const end = way.end === "from" ? "pickup" : "dropoff";
  return refuse(
    "order.outside_service_area",
    `Cannot place the order: ${end} must be reachable by street: ${way.code.replaceAll("_", " ")}`,
    { field: end },
  );
}

async function straightLine(pickup: Place, dropoff: Place) {
  const way = await straightLines.route(pickup, dropoff, { vehicle: ASSUMED_VEHICLE });
  if (!way.ok) throw new Error("straight lines lead everywhere");
  return way;
}
