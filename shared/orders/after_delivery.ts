/** What a customer does when the order has arrived: a tip, and stars. */
import type { Sql, Tx } from "shared/sql/connect.ts";
import { recordEarning } from "./earnings.ts";
import { isTerminal } from "./lifecycle.ts";
import { lockCourier, lockOrder } from "./locks.ts";
import { OrderChange } from "./order_change.ts";
import { type Outcome, refuse, succeed } from "./refusal.ts";
import type { OrderRow } from "./rows.ts";
import { notAllowed } from "./transition_order.ts";

/** How long after the delivery a tip may still be raised. */
export const TIP_WITHIN_DAYS = 7;

export interface TipChange {
  readonly orderId: string;
  readonly customerId: string;
  /** The whole tip and not what is added, so that a repeat changes nothing. */
  readonly tipMinor: number;
}

/**
 * Raises the tip, until a week after the delivery. What comes after the delivery is booked for the
 * courier at once; before it, the delivery books the whole tip.
 */
export async function raiseTip(sql: Sql, tip: TipChange): Promise<Outcome<void>> {
  const { orderId, customerId, tipMinor } = tip;
  return await sql.begin(async (tx) => {
    const order = await lockOrder(tx, orderId);
    if (order?.customerId !== customerId) return refuse("order.not_found");
    const isDelivered = order.status === "delivered";
    if (isTerminal(order.status) && !isDelivered) return notAllowed(order, "tip");
    if (tipMinor === order.tipMinor) return succeed(undefined);
    if (tipMinor < order.tipMinor) {
      return refuse(
        "order.tip_refused",
        `Cannot tip: tipMinor must be >= ${order.tipMinor}: it is ${tipMinor}`,
        { tipMinor: order.tipMinor },
      );
    }
    if (isDelivered && await isTooLate(tx, orderId)) {
      return refuse(
        "order.tip_refused",
        `Cannot tip: the delivery must be <= ${TIP_WITHIN_DAYS} days ago`,
      );
    }
    const change = new OrderChange(tx, order, { role: "customer", accountId: customerId });
    change.raiseTip(tipMinor);
    if (isDelivered) {
      recordEarning(tx, order, {
        courierId: await deliveredBy(tx, order),
        orderVersion: change.version,
        kind: "tip",
        amountMinor: tipMinor - order.tipMinor,
      });
    }
    await change.save();
    return succeed(undefined);
  });
}

async function isTooLate(tx: Tx, orderId: string): Promise<boolean> {
  const [row] = await tx<{ isLate: boolean }[]>`
    select (state_times ->> 'delivered')::timestamptz <
      clock_timestamp() - ${TIP_WITHIN_DAYS} * interval '1 day' as is_late
    from orders where id = ${orderId}`;
  return row?.isLate === true;
}

async function deliveredBy(tx: Tx, order: OrderRow): Promise<string> {
  const [row] = await tx<{ courierId: string }[]>`
    select courier_id from assignments
    where order_id = ${order.id} and end_reason = 'delivered'`;
  if (row === undefined) throw new Error(`order ${order.id} was delivered by nobody`);
  return row.courierId;
}

export const RATING_SUBJECTS = ["courier", "merchant"] as const;
export type RatingSubject = (typeof RATING_SUBJECTS)[number];

export interface Rating {
  readonly orderId: string;
  readonly customerId: string;
  readonly subject: RatingSubject;
  readonly stars: number;
  readonly comment?: string | undefined;
}

/** Rates courier or merchant of a delivered order, once each. The same stars again change nothing. */
export async function rateOrder(sql: Sql, rating: Rating): Promise<Outcome<void>> {
  const { orderId, customerId, subject, stars, comment } = rating;
  return await sql.begin(async (tx) => {
    const order = await lockOrder(tx, orderId);
    if (order?.customerId !== customerId) return refuse("order.not_found");
    if (order.status !== "delivered") return notAllowed(order, "rate");
    const subjectId = subject === "courier" ? await deliveredBy(tx, order) : order.merchantId;
    if (subjectId === null) {
      return refuse(
        "request.invalid",
        "Cannot rate: subject must be courier: a parcel has no merchant",
      );
    }
    const [present] = await tx<{ stars: number }[]>`
      select stars from ratings where order_id = ${orderId} and subject = ${subject}`;
    if (present?.stars === stars) return succeed(undefined);
    if (present !== undefined) {
      return refuse("rating.exists", `Cannot rate: the ${subject} has ${present.stars} stars`);
    }
    await tx`
      insert into ratings (order_id, subject, subject_id, rater_id, stars, comment)
      values (${orderId}, ${subject}, ${subjectId}, ${customerId}, ${stars}, ${comment ?? null})`;
    if (subject === "courier" && order.mode === "live") await averageStars(tx, subjectId);
    const change = new OrderChange(tx, order, { role: "customer", accountId: customerId });
    change.add({ type: "order.rated", data: { ...change.ids, subject, subjectId, stars } });
    await change.save();
    return succeed(undefined);
  });
}

/** The courier's rating is the mean of its stars. Its availability and version stay as they are. */
async function averageStars(tx: Tx, courierId: string): Promise<void> {
  await lockCourier(tx, courierId);
  await tx`
    update couriers set rating = (
      select avg(stars) from ratings where subject = 'courier' and subject_id = ${courierId})
    where id = ${courierId}`;
}
