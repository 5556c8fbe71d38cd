/**
 * Customers, merchants, couriers and dispatchers at the gateway: they ask for anything at any time,
 * mostly for what could be allowed. What is refused costs nothing; what is granted must be true.
 */
import { pause } from "shared/clock/timeout.ts";
import type { Actor } from "shared/orders/actor.ts";
import { goOffline, goOnline, markSilent, pauseShift } from "shared/orders/courier_shift.ts";
import { ORDER_ACTIONS, type OrderAction } from "shared/orders/lifecycle.ts";
import { acceptOffer, rejectOffer } from "shared/orders/offers.ts";
import type { Outcome } from "shared/orders/refusal.ts";
import { transitionOrder } from "shared/orders/transition_order.ts";
import type { Sql } from "shared/sql/connect.ts";
import { insertOrder } from "../../harness/fixtures.ts";
import type { Surroundings } from "./roles.ts";

/** Who lives in the simulated city. */
export interface City {
  readonly customerId: string;
  readonly merchantId: string;
  readonly merchantAccountId: string;
  readonly courierIds: readonly string[];
  /** Deeds that are left; the people of all gateways share them. */
  deedsLeft: number;
  nextOrderId(): string;
  /** Told of what the gateway granted. */
  onGranted(claim: Claim): void;
}

/** What a client was told and may rely on. */
export type Claim =
  | { readonly kind: "order"; readonly id: string }
  | { readonly kind: "assignment"; readonly id: string };

const PEOPLE_AT_ONCE = 5;
/** People come in crowds: mostly at once, now and then much later. */
const MAX_PAUSE_MS = 40;
const MAX_REST_MS = 1_500;
const REST_CHANCE = 0.15;

/** Runs a gateway with a few people at it. */
export async function gateway(around: Surroundings, city: City): Promise<void> {
  await Promise.all(Array.from({ length: PEOPLE_AT_ONCE }, () => person(around, city)));
}

async function person(around: Surroundings, city: City): Promise<void> {
  const { life } = around;
  while (!life.signal.aborted) {
    const mostMs = life.random() < REST_CHANCE ? MAX_REST_MS : MAX_PAUSE_MS;
    await pause(life.random() * mostMs, life.signal, life.clock);
    if (life.signal.aborted) return;
    if (city.deedsLeft <= 0) {
      await pause(MAX_REST_MS, life.signal, life.clock);
      continue;
    }
    city.deedsLeft--;
    try {
      await act(around, city);
      around.notifyOutbox();
    } catch {
      // A store was away: the person sees an error, and the invariants what came of it.
    }
  }
}

async function act(around: Surroundings, city: City): Promise<void> {
  const draw = around.life.random();
  if (draw < 0.2) await placeOrder(around, city);
  else if (draw < 0.45) await answerOffer(around, city);
  else if (draw < 0.6) await changeShift(around, city);
  else await moveOrder(around, city);
}

async function placeOrder({ sql, life }: Surroundings, city: City): Promise<void> {
  const isParcel = life.random() < 0.5;
  const id = await insertOrder(sql, {
    id: city.nextOrderId(),
    customerId: city.customerId,
    ...(isParcel ? {} : { merchantId: city.merchantId }),
  });
  city.onGranted({ kind: "order", id });
}

async function answerOffer({ sql, life }: Surroundings, city: City): Promise<void> {
  const offers = await sql<{ id: string; courierId: string }[]>`
    select id, courier_id from offers where status in ('pending', 'accepted') order by created_at`;
  const offer = offers[Math.floor(life.random() * offers.length)];
  if (offer === undefined) return;
  const question = { offerId: offer.id, courierId: offer.courierId };
  if (life.random() < 0.25) {
    await rejectOffer(sql, question, null);
    return;
  }
  const outcome = await acceptOffer(sql, question);
  if (outcome.ok) city.onGranted({ kind: "assignment", id: outcome.value.id });
}

async function changeShift({ sql, life }: Surroundings, city: City): Promise<void> {
  const courierId = city.courierIds[Math.floor(life.random() * city.courierIds.length)];
  if (courierId === undefined) return;
  const draw = life.random();
  if (draw < 0.5) await goOnline(sql, courierId);
  else if (draw < 0.65) await pauseShift(sql, courierId);
  else if (draw < 0.85) await goOffline(sql, courierId);
  else await markSilent(sql, courierId);
}

/** The action that usually comes next, most of the time. */
const USUAL: Readonly<Record<string, OrderAction>> = {
  placed: "confirm",
  confirmed: "prepare",
  preparing: "make_ready",
  ready_for_pickup: "pick_up",
  picked_up: "depart",
  in_transit: "deliver",
  failed_attempt: "start_return",
  returning: "complete_return",
};

async function moveOrder(around: Surroundings, city: City): Promise<Outcome<void> | undefined> {
  const { sql, life } = around;
  const orders = await sql<{ id: string; status: string; kind: string }[]>`
    select id, status, kind from orders
    where status not in ('delivered', 'cancelled', 'returned', 'failed', 'expired') order by id`;
  const order = orders[Math.floor(life.random() * orders.length)];
  if (order === undefined) return undefined;
  const usual = order.kind === "parcel" && order.status === "placed"
    ? "pick_up"
    : USUAL[order.status];
  const whatever = ORDER_ACTIONS[Math.floor(life.random() * ORDER_ACTIONS.length)];
  const action = life.random() < 0.85 ? usual : whatever;
  if (action === undefined) return undefined;
  const actor = await actorOf(sql, order.id, action, city);
  return await transitionOrder(sql, { orderId: order.id, action, actor });
}

async function actorOf(
  sql: Sql,
  orderId: string,
  action: OrderAction,
  city: City,
): Promise<Actor> {
  switch (action) {
    case "confirm":
    case "prepare":
    case "make_ready":
      return {
        role: "merchant",
        accountId: city.merchantAccountId,
        merchantIds: [city.merchantId],
      };
    case "cancel":
      return { role: "customer", accountId: city.customerId };
    case "fail":
      return { role: "dispatcher", accountId: city.customerId };
    case "expire":
      return { role: "system" };
    default: {
      const [row] = await sql<{ courierId: string }[]>`
        select courier_id from assignments where order_id = ${orderId}
        order by created_at desc limit 1`;
      return { role: "courier", accountId: row?.courierId ?? city.customerId };
    }
  }
}
