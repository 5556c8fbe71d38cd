/** Short ways to the situations of dispatch, through the product's own transactions. */
import assert from "node:assert/strict";
import { type Lease, takeLease } from "shared/lease/lease.ts";
import type { OrderKind, OrderState } from "shared/orders/lifecycle.ts";
import { acceptOffer, makeOffer, type OfferPlan } from "shared/orders/offers.ts";
import { transitionOrder } from "shared/orders/transition_order.ts";
import type { Sql } from "shared/sql/connect.ts";
import {
  insertAccount,
  insertCourier,
  insertMerchant,
  insertOrder,
  insertRegion,
} from "./fixtures.ts";
import { courierFacts } from "./order_facts.ts";

export const OFFER_TTL_MS = 30_000;

/** One region with a merchant, a customer and the matcher's lease. */
export interface DispatchWorld {
  readonly sql: Sql;
  readonly lease: Lease;
  readonly customerId: string;
  readonly merchantId: string;
  readonly merchantAccountId: string;
}

export async function createDispatchWorld(sql: Sql): Promise<DispatchWorld> {
  await insertRegion(sql);
  const customerId = await insertAccount(sql, "customer");
  const { merchantId, accountId } = await insertMerchant(sql);
  return { sql, lease: await holdLease(sql), customerId, merchantId, merchantAccountId: accountId };
}

/** A lease that outlives the file's tests, which renew nothing. */
export async function holdLease(sql: Sql, name = "matcher:testville:0"): Promise<Lease> {
  const lease = await takeLease(sql, name, "the test");
  assert.ok(lease !== undefined, "the lease was free");
  await sql`update leases set expires_at = clock_timestamp() + interval '1 hour'
    where name = ${name}`;
  return lease;
}

export async function newOrder(
  world: DispatchWorld,
  options: { kind?: OrderKind; status?: OrderState } = {},
): Promise<string> {
  const { sql, customerId, merchantId } = world;
  const kind = options.kind ?? "marketplace";
  return await insertOrder(sql, {
    customerId,
    kind,
    status: options.status ?? (kind === "parcel" ? "placed" : "confirmed"),
    ...(kind === "parcel" ? {} : { merchantId }),
  });
}

/** What the matcher would decide now, with the courier's present version. */
export async function planOf(
  sql: Sql,
  orderId: string,
  courierId: string,
  changes: Partial<OfferPlan> = {},
): Promise<OfferPlan> {
  return {
    orderId,
    courierId,
    courierVersion: changes.courierVersion ?? (await courierFacts(sql, courierId)).version,
    distanceToPickupM: 420,
    offerTtlMs: OFFER_TTL_MS,
    policy: "nearest",
    policyVersion: 1,
    explanation: { candidates: [{ courierId, distanceM: 420 }], chosen: courierId },
    ...changes,
  };
}

/** Makes an offer that must succeed. */
export async function offer(
  world: DispatchWorld,
  orderId: string,
  courierId: string,
): Promise<string> {
  const made = await makeOffer(world.sql, world.lease, await planOf(world.sql, orderId, courierId));
  assert.ok(made.ok, `makeOffer was refused: ${made.ok ? "" : made.conflict}`);
  return made.offerId;
}

/** Makes an offer and accepts it; both must succeed. */
export async function assign(
  world: DispatchWorld,
  orderId: string,
  courierId: string,
): Promise<{ offerId: string; assignmentId: string }> {
  const offerId = await offer(world, orderId, courierId);
  const outcome = await acceptOffer(world.sql, { offerId, courierId });
  assert.ok(outcome.ok, `acceptOffer was refused: ${outcome.ok ? "" : outcome.code}`);
  return { offerId, assignmentId: outcome.value.id };
}

/** A courier with a confirmed (or given) order of its own, not picked up. */
export async function assignedCourier(
  world: DispatchWorld,
  options: { kind?: OrderKind; status?: OrderState; capacity?: number } = {},
): Promise<{ courierId: string; orderId: string; offerId: string; assignmentId: string }> {
  const { capacity, ...orderOptions } = options;
  const courierId = await insertCourier(world.sql, capacity === undefined ? {} : { capacity });
  const orderId = await newOrder(world, orderOptions);
  return { courierId, orderId, ...await assign(world, orderId, courierId) };
}

/** A courier who has picked its parcel up. */
export async function carryingCourier(
  world: DispatchWorld,
): Promise<{ courierId: string; orderId: string }> {
  const { courierId, orderId } = await assignedCourier(world, { kind: "parcel" });
  await step(world, orderId, courierId, "pick_up");
  return { courierId, orderId };
}

/** A step of the courier that must be allowed. */
export async function step(
  { sql }: DispatchWorld,
  orderId: string,
  courierId: string,
  action: "pick_up" | "depart" | "deliver" | "fail_attempt" | "start_return" | "complete_return",
): Promise<void> {
  const actor = { role: "courier", accountId: courierId } as const;
  const outcome = await transitionOrder(sql, { orderId, action, actor });
  assert.ok(
    outcome.ok,
    `${action} was refused: ${outcome.ok ? "" : outcome.detail ?? outcome.code}`,
  );
}

/** Moves an offer's deadline, seconds from now on the database's clock. */
export async function setDeadline(sql: Sql, offerId: string, inMs: number): Promise<void> {
  await sql`
    update offers set expires_at = clock_timestamp() + ${inMs} * interval '1 millisecond'
    where id = ${offerId}`;
}
