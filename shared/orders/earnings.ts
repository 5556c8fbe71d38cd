/**
 * What couriers earn, written in the transaction of what they earn it for. Orders of test mode
 * earn nobody anything.
 */
import { uuidv7 } from "shared/ids/uuid.ts";
import {
  DEFAULT_SETTLEMENT,
  type SettlementPolicy,
  settlementSchema,
} from "shared/regions/region.ts";
import type { Tx } from "shared/sql/connect.ts";
import type { OrderRow } from "./rows.ts";

export type EarningKind = "delivery" | "tip" | "cancellation";

/** A region's rules of money between customer and courier. @throws when they are not valid. */
export async function readSettlement(tx: Tx, region: string): Promise<SettlementPolicy> {
  const [row] = await tx<{ settlement: unknown }[]>`
    select policy -> 'settlement' as settlement from regions where id = ${region}`;
  const settlement = row?.settlement ?? undefined;
  return settlement === undefined ? DEFAULT_SETTLEMENT : settlementSchema.parse(settlement);
}

/** A courier's share of an amount, rounded to the minor unit. */
export function courierShareMinor(amountMinor: number, policy: SettlementPolicy): number {
  return Math.round(amountMinor * policy.courierSharePercent / 100);
}

/** Adds a row to the ledger. */
export function recordEarning(
  tx: Tx,
  order: OrderRow,
  earning: { courierId: string; orderVersion: number; kind: EarningKind; amountMinor: number },
): void {
  if (order.mode === "test") return;
  const { courierId, orderVersion, kind, amountMinor } = earning;
  tx.defer(tx`
    insert into courier_earnings (id, courier_id, region, order_id, order_version, kind,
      amount_minor, currency)
    values (${uuidv7()}, ${courierId}, ${order.region}, ${order.id}, ${orderVersion}, ${kind},
      ${amountMinor}, ${order.currency})`);
}

/** The ledger's rows of a delivery: a share of the fee, and the whole tip. */
export async function recordDelivery(
  tx: Tx,
  order: OrderRow,
  { courierId, orderVersion }: { courierId: string; orderVersion: number },
): Promise<void> {
  const base = { courierId, orderVersion };
  const policy = await readSettlement(tx, order.region);
  const amountMinor = courierShareMinor(order.deliveryMinor, policy);
  recordEarning(tx, order, { ...base, kind: "delivery", amountMinor });
  if (order.tipMinor === 0) return;
  recordEarning(tx, order, { ...base, kind: "tip", amountMinor: order.tipMinor });
}
