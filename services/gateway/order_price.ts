import { type Price, priceOf, type PricePart, tipPart } from "shared/pricing/price_part.ts";

/** The money of an order's row. */
export interface OrderMoney {
  /** All parts but the tip; null on orders from before prices had parts. */
  readonly priceParts: readonly PricePart[] | null;
  readonly itemsMinor: number;
  readonly deliveryMinor: number;
  readonly tipMinor: number;
  readonly currency: string;
}

/** The price of an order as it now is: the tip is the row's, because it may change later. */
export function orderPrice(row: OrderMoney): Price {
  const parts = row.priceParts ?? partsOfSums(row);
  return priceOf([...parts, ...tipPart(row.tipMinor)], row.currency);
}

function partsOfSums({ itemsMinor, deliveryMinor }: OrderMoney): PricePart[] {
  const delivery: PricePart = {
    kind: "delivery_base",
    label: "Delivery",
    amountMinor: deliveryMinor,
  };
  if (itemsMinor === 0) return [delivery];
  return [{ kind: "items", label: "Items", amountMinor: itemsMinor }, delivery];
}
