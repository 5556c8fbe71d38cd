import { trackingToken } from "shared/auth/server_secrets.ts";
import { hashToken } from "shared/auth/token.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import type { NewOrder } from "shared/orders/insert_order.ts";
import type { Refusal } from "shared/orders/refusal.ts";
import type { OrderMode } from "shared/orders/rows.ts";
import type { BasketLine } from "shared/pricing/price_basket.ts";
import { deliveryMinorOf, type PricePart, sumOf } from "shared/pricing/price_part.ts";
import { shardOf } from "shared/redis/keys.ts";
import { currentTrace } from "shared/trace/trace.ts";
import type { GatewayDeps } from "./deps.ts";
import { estimateDelivery } from "./estimate.ts";
import type { OrderReadings } from "./order_reads.ts";
import type { WholeOrder } from "./order_schemas.ts";
import { orderTerms } from "./order_terms.ts";
import { scheduleOrder } from "./order_window.ts";

/** The account that places an order, and as what. */
export interface Placer {
  readonly accountId: string;
  readonly placedBy: NewOrder["placedBy"];
  readonly mode: OrderMode;
}

/** A new order with what its answer shows of basket and price. */
export interface PricedOrder extends NewOrder {
  readonly items: readonly BasketLine[];
  readonly price: Omit<NewOrder["price"], "parts"> & { readonly parts: readonly PricePart[] };
}

/** A checked order. */
export interface PreparedOrder {
  readonly ok: true;
  readonly order: PricedOrder;
  /** The secret of its link, which is stored nowhere. */
  readonly trackingToken: string;
}

/** What somebody asks for, and what Postgres knows of it (`termsQuestion`). */
export interface WantedOrder {
  readonly wanted: WholeOrder;
  readonly readings: OrderReadings;
}

/** Checks and prices what somebody asks for. Reads only; writes nothing. */
export async function prepareOrder(
  deps: GatewayDeps,
  placer: Placer,
  { wanted, readings }: WantedOrder,
): Promise<PreparedOrder | Refusal> {
  const nowMs = Date.now();
  const { accountId } = placer;
  const terms = await orderTerms(deps, { accountId, asked: wanted, nowMs, readings });
  if (!terms.ok) return terms;
  const { region, parts, preparationMinutes } = terms;
  const scheduled = scheduleOrder({
    window: wanted.window,
    nowMs,
    estimatedAt: estimateDelivery({
      nowMs,
      preparationMinutes,
      drivingS: terms.drivingS,
      speed: deps.speed,
    }),
  });
  if (!scheduled.ok) return scheduled;
  const id = uuidv7();
  const token = trackingToken(deps.secrets, id);
  const order: PricedOrder = {
    id,
    region: region.id,
    shard: shardOf(id, region.shards),
    customerId: placer.accountId,
    placedBy: placer.placedBy,
    mode: placer.mode,
    merchantId: terms.merchantId,
    items: terms.items,
    pickup: terms.pickup,
    ...wishesOf(wanted),
    schedule: scheduled.schedule,
    distanceM: terms.distanceM,
    preparationMinutes,
    price: {
      items: sumOf(parts, "items"),
      delivery: deliveryMinorOf(parts),
      tip: sumOf(parts, "tip"),
      parts,
    },
    quoteId: terms.quoteId,
    currency: region.currency,
    estimatedDeliveryAt: scheduled.estimatedAt,
    trackingTokenHash: await hashToken(token),
    trace: currentTrace(),
  };
  return { ok: true, order, trackingToken: token };
}

/** What is kept of a request as it was said. */
function wishesOf(wanted: WholeOrder) {
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
