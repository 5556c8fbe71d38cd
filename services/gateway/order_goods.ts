/** What is to be brought, from where, and whether it can be: the part of an order before its price. */
import type { Point } from "shared/geo/point.ts";
import { type Refusal, refuse } from "shared/orders/refusal.ts";
import { type BasketLine, priceBasket } from "shared/pricing/price_basket.ts";
import { type Region, serves } from "shared/regions/region.ts";
import { createHaversineRouter } from "shared/routing/haversine_router.ts";
import type { Router } from "shared/routing/router.ts";
import type { GatewayDeps } from "./deps.ts";
import type { OrderQuestion, OrderReadings } from "./order_reads.ts";
import type { QuoteRequest } from "./quote_schemas.ts";
import type { Merchant } from "./stores/merchant_store.ts";
import { tradingStatus } from "./trading_status.ts";

/** Whose way distance and first estimate assume, until a courier is chosen. */
const ASSUMED_VEHICLE = "motorcycle";

export interface OrderPlace extends Point {
  readonly address?: string | undefined;
}

export interface Goods {
  readonly ok: true;
  readonly region: Region;
  readonly merchantId: string | null;
  readonly items: readonly BasketLine[];
  /** Undefined for a parcel. */
  readonly itemsMinor: number | undefined;
  readonly pickup: OrderPlace;
  readonly preparationMinutes: number;
}

/** What an order's goods are looked up by. */
export function goodsQuestion(asked: QuoteRequest): OrderQuestion {
  if (asked.kind === "parcel") return {};
  return { merchantId: asked.merchantId, itemIds: asked.items.map(({ menuItemId }) => menuItemId) };
}

/** Where, when and from what goods are judged. */
export interface GoodsInput {
  /** When it is to be carried out. */
  readonly atMs: number;
  /** The answer to `goodsQuestion`. */
  readonly readings: OrderReadings;
}

/** Looks at merchant, menu and served area. */
export async function goodsOf(
  deps: GatewayDeps,
  asked: QuoteRequest,
  input: GoodsInput,
): Promise<Goods | Refusal> {
  const goods = asked.kind === "marketplace"
    ? await basket(deps, asked, input)
    : await parcel(deps, asked.pickup);
  if (!goods.ok || serves(goods.region, asked.dropoff)) return goods;
  return outside("dropoff", asked.dropoff, goods.region);
}

async function basket(
  deps: GatewayDeps,
  asked: Extract<QuoteRequest, { kind: "marketplace" }>,
  { atMs, readings: { merchant, items: menu } }: GoodsInput,
): Promise<Goods | Refusal> {
  if (merchant === undefined) return refuse("merchant.not_found");
  const closed = closedRefusal(merchant, atMs);
  if (closed !== undefined) return closed;
  const region = await deps.regions.find(merchant.region);
  if (region === undefined) return refuse("region.not_found");
  const priced = priceBasket(asked.items, menu);
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

const BECAUSE = {
  hours: "it is outside its opening hours",
  paused: "it takes a pause",
  closed: "it takes no orders",
} as const;

function closedRefusal(merchant: Merchant, atMs: number): Refusal | undefined {
  const status = tradingStatus(merchant, atMs);
  if (status.isOpen) return undefined;
  const opensAt = status.opensAt?.toISOString() ?? null;
  const next = opensAt === null ? "it is not known when it opens" : `it opens at ${opensAt}`;
  return refuse(
    "merchant.closed",
    `Cannot order: ${merchant.name} must be open: ${BECAUSE[status.because]}, ${next}`,
    { merchantId: merchant.id, because: status.because, opensAt },
  );
}

async function parcel(deps: GatewayDeps, pickup: OrderPlace): Promise<Goods | Refusal> {
  const region = await deps.regions.findServing(pickup);
  if (region === undefined) return outside("pickup", pickup);
  return {
    ok: true,
    region,
    merchantId: null,
    items: [],
    itemsMinor: undefined,
    pickup,
    preparationMinutes: 0,
  };
}

function outside(end: "pickup" | "dropoff", place: OrderPlace, region?: Region): Refusal {
  const area = region === undefined ? "a served area" : `the served area of ${region.name}`;
  return refuse(
    "order.outside_service_area",
    `Cannot place the order: ${end} must be inside ${area}: it is at ${place.lat}, ${place.lon}`,
    { field: end, ...(region === undefined ? {} : { bounds: region.bounds }) },
  );
}

const straightLines = createHaversineRouter();

/** The way from pickup to dropoff. */
export async function wayOf(deps: GatewayDeps, { region, pickup }: Goods, dropoff: OrderPlace) {
  const router: Router = deps.streets.get(region.id)?.router ?? straightLines;
  const way = await router.route(pickup, dropoff, { vehicle: ASSUMED_VEHICLE });
  if (way.ok) return way;
  if (way.code === "router_unavailable") return await straightLine(pickup, dropoff);
  const end = way.end === "from" ? "pickup" : "dropoff";
  return refuse(
    "order.outside_service_area",
    `Cannot place the order: ${end} must be reachable by street: ${way.code.replaceAll("_", " ")}`,
    { field: end },
  );
}

async function straightLine(pickup: OrderPlace, dropoff: OrderPlace) {
  const way = await straightLines.route(pickup, dropoff, { vehicle: ASSUMED_VEHICLE });
  if (!way.ok) throw new Error("straight lines lead everywhere");
  return way;
}
