/** What an order costs and how it would go: worked out now, or as a quote promised it. Reads only. */
import { isDeepStrictEqual } from "node:util";
import { type Refusal, refuse } from "shared/orders/refusal.ts";
import { MAX_MONEY_MINOR } from "shared/pricing/menu_options.ts";
import type { BasketLine } from "shared/pricing/price_basket.ts";
import { priceDelivery } from "shared/pricing/price_delivery.ts";
import { deliveryMinorOf, type PricePart, tipPart } from "shared/pricing/price_part.ts";
import { zoneOf } from "shared/pricing/zone.ts";
import type { Region } from "shared/regions/region.ts";
import type { GatewayDeps } from "./deps.ts";
import { type Goods, goodsOf, goodsQuestion, type OrderPlace, wayOf } from "./order_goods.ts";
import type { OrderQuestion, OrderReadings } from "./order_reads.ts";
import type { QuoteRequest } from "./quote_schemas.ts";
import type { QuotedRequest, QuoteState } from "./stores/quote_store.ts";

/** What is asked, as far as price and feasibility go; an order's own fields are more. */
export type AskedOrder = QuoteRequest & { readonly quoteId?: string | undefined };

export interface OrderTerms {
  readonly ok: true;
  readonly region: Region;
  readonly merchantId: string | null;
  readonly items: readonly BasketLine[];
  readonly pickup: OrderPlace;
  readonly preparationMinutes: number;
  readonly distanceM: number;
  readonly drivingS: number;
  /** All parts, the tip too. */
  readonly parts: readonly PricePart[];
  readonly quoteId: string | null;
}

export interface TermsInput {
  readonly accountId: string;
  readonly asked: AskedOrder;
  readonly nowMs: number;
  /** The answer to `termsQuestion`, where it was asked before. */
  readonly readings?: OrderReadings | undefined;
}

/** What an order's terms are looked up by. */
export function termsQuestion(asked: AskedOrder): OrderQuestion {
  return { ...goodsQuestion(asked), quoteId: asked.quoteId };
}

/** The terms of an order, or why it cannot be. */
export async function orderTerms(
  deps: GatewayDeps,
  { accountId, asked, nowMs, ...before }: TermsInput,
): Promise<OrderTerms | Refusal> {
  const readings = before.readings ?? await deps.reads.read(termsQuestion(asked));
  // When it is to be carried out: decides about opening and peak hours.
  const atMs = asked.window === undefined ? nowMs : Date.parse(asked.window.startsAt);
  if (asked.quoteId === undefined) {
    const goods = await goodsOf(deps, asked, { atMs, readings });
    return goods.ok ? await priced(deps, goods, asked, atMs) : goods;
  }
  const { quote } = readings;
  if (quote?.accountId !== accountId) return refuse("quote.not_found");
  const problem = quoteProblem(quote) ?? mismatch(quote.request, asked);
  if (problem !== undefined) return problem;
  // A price is promised, not an open kitchen: what can be had is looked at again.
  const goods = await goodsOf(deps, asked, { atMs, readings });
  if (!goods.ok) return goods;
  const { items, parts, distanceM, drivingS } = quote;
  return { ...goods, items, parts, distanceM, drivingS, quoteId: quote.id };
}

async function priced(
  deps: GatewayDeps,
  goods: Goods,
  asked: AskedOrder,
  atMs: number,
): Promise<OrderTerms | Refusal> {
  const { region, items, itemsMinor } = goods;
  const way = await wayOf(deps, goods, asked.dropoff);
  if (!way.ok) return way;
  // Rounded before it is priced, so that the price can be worked out from what the order shows.
  const distanceM = Math.round(way.distanceM);
  const delivery = priceDelivery({
    distanceM,
    itemsMinor,
    tariff: region.policy.pricing,
    zone: zoneOf(await deps.zones.of(region.id), asked.dropoff),
    atMs,
    timeZone: region.timeZone,
  });
  if (deliveryMinorOf(delivery) > MAX_MONEY_MINOR) {
    return refuse(
      "request.invalid",
      `the delivery must cost <= ${MAX_MONEY_MINOR} in minor units: it costs ` +
        `${deliveryMinorOf(delivery)}`,
    );
  }
  const goodsParts: PricePart[] = itemsMinor === undefined
    ? []
    : [{ kind: "items", label: "Items", amountMinor: itemsMinor }];
  const parts = [...goodsParts, ...delivery, ...tipPart(asked.tipMinor ?? 0)];
  return { ...goods, items, distanceM, drivingS: way.durationS, parts, quoteId: null };
}

/** What is asked, in the one form that is stored with a quote and compared with an order. */
export function quotedRequest(asked: AskedOrder): QuotedRequest {
  const place = ({ lat, lon }: OrderPlace) => ({ lat, lon });
  const request = {
    kind: asked.kind,
    merchantId: asked.kind === "marketplace" ? asked.merchantId : null,
    items: asked.kind === "marketplace" ? asked.items.map(comparableLine) : [],
    pickup: asked.kind === "parcel" ? place(asked.pickup) : null,
    dropoff: place(asked.dropoff),
    window: asked.window ?? null,
    tipMinor: asked.tipMinor ?? 0,
  };
  // As JSON has it, where minus zero is zero.
  return JSON.parse(JSON.stringify(request)) as QuotedRequest;
}

/** What is stored of a quote: what an order is compared with, and the addresses for one made of it. */
export function storedRequest(asked: AskedOrder): QuotedRequest {
  const pickup = asked.kind === "parcel" ? asked.pickup.address : undefined;
  return { ...quotedRequest(asked), addresses: { pickup, dropoff: asked.dropoff.address } };
}

function comparableLine(line: Extract<AskedOrder, { kind: "marketplace" }>["items"][number]) {
  const options = (line.options ?? []).map(({ optionId, quantity }) => ({ optionId, quantity }));
  options.sort((a, b) => a.optionId < b.optionId ? -1 : 1);
  return { menuItemId: line.menuItemId, quantity: line.quantity, options };
}

/** Why a quote cannot be used any more. Pure. */
export function quoteProblem(
  { orderId, isExpired, validUntil }: Omit<QuoteState, "id" | "accountId">,
): Refusal | undefined {
  if (orderId !== null) {
    return refuse("quote.used", "Cannot place the order: quoteId must not be used", { orderId });
  }
  if (!isExpired) return undefined;
  const until = validUntil.toISOString();
  return refuse(
    "quote.expired",
    `Cannot place the order: quoteId must be valid: it was until ${until}`,
    { validUntil: until },
  );
}

function mismatch(quoted: QuotedRequest, asked: AskedOrder): Refusal | undefined {
  const errors = Object.entries(quotedRequest(asked))
    .filter(([field, value]) => !isDeepStrictEqual(value, quoted[field]))
    .map(([field, value]) => ({
      field,
      bound: `must be as quoted: ${JSON.stringify(quoted[field])}`.slice(0, 500),
      ...(typeof value === "object" ? {} : { value }),
    }));
  if (errors.length === 0) return undefined;
  return refuse(
    "quote.mismatch",
    "Cannot place the order: what is ordered must be what was quoted",
    { errors },
  );
}
