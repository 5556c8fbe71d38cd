/**
 * Placing an order exactly once, whatever the caller repeats.
 *
 * Contract: two names make a request the same one, and both are looked up before anything is
 * checked, so a repeat gets its first answer even if the merchant has closed meanwhile. An
 * `Idempotency-Key` replays the stored answer for 24 h. An `externalId` stays the order's name for
 * ever: the same body leads to the same order, another one is refused with the order's id. Order,
 * names and stored answer are one transaction. No answer here has the secret of a tracking link.
 */
import type { Principal } from "shared/auth/principal.ts";
import { hashToken, sameBytes } from "shared/auth/token.ts";
import { type Refusal, refuse } from "shared/orders/refusal.ts";
import { ProblemError } from "shared/problem/problem.ts";
import type { GatewayDeps } from "./deps.ts";
import { answerOf, type StoredAnswer } from "./idempotency.ts";
import type { PlacementGuard } from "./middleware/limits.ts";
import { orderJson } from "./order_json.ts";
import type { OrderQuestion, OrderReadings } from "./order_reads.ts";
import type { PlaceOrder, WholeOrder } from "./order_schemas.ts";
import { termsQuestion } from "./order_terms.ts";
import { type Placer, type PreparedOrder, prepareOrder, type WantedOrder } from "./place_order.ts";
import { orderOfQuote } from "./quoted_order.ts";
import { merchantIdsOf } from "./stores/merchant_store.ts";
import { findOrder } from "./stores/order_store.ts";
import { type PlacementNames, refusalAnswer } from "./write_placements.ts";

export interface Placement {
  readonly principal: Principal;
  /** The limits; a repeat is answered whatever they say. */
  readonly guard: PlacementGuard;
  readonly wanted: PlaceOrder;
  /** Names the request; undefined where the caller sent no key. */
  readonly key: string | undefined;
  /** What "the same request" means to the key. */
  readonly fingerprint: string;
}

/** The answer to a placement, and whether it was given before. */
export interface PlacedAnswer {
  readonly answer: StoredAnswer;
  readonly isReplay: boolean;
  /** The order, where this call created it. */
  readonly orderId?: string;
  /** The secret of its link, where it is known. */
  readonly trackingToken?: string;
}

/** Places an order, or gives the answer of its first placing. */
export async function placeOnce(deps: GatewayDeps, placement: Placement): Promise<PlacedAnswer> {
  const { principal, guard, wanted } = placement;
  const names = await namesOf(placement);
  // All in one question, although a repeat needs no more than its answer: repeats are few.
  const readings = await deps.reads.read({
    ...namesQuestion(names),
    ...(guard.isOverQuota ? {} : orderQuestion(wanted)),
  });
  const first = await firstAnswer(deps, names, readings, principal);
  if (first !== undefined) return first;
  guard.requireQuota();
  const prepared = await prepare(deps, placement, readings);
  if (!prepared.ok && names.request === undefined) {
    return { answer: refusalAnswer(prepared), isReplay: false };
  }
  const written = await deps.placements.write({ principal, guard, names, prepared });
  if (written.kind === "answered") {
    if (written.orderId !== undefined) deps.notifyOutbox();
    return {
      ...written,
      isReplay: false,
      ...(prepared.ok ? { trackingToken: prepared.trackingToken } : {}),
    };
  }
  // Somebody was faster with the same name; nothing else can be there than its answer.
  const answered = await deps.reads.read(namesQuestion(names));
  const meanwhile = await firstAnswer(deps, names, answered, principal);
  if (meanwhile !== undefined) return meanwhile;
  throw new ProblemError("idempotency.in_progress", { retryAfterS: 1 });
}

function orderQuestion(wanted: PlaceOrder): OrderQuestion {
  return wanted.kind === "quoted" ? { quoteId: wanted.quoteId } : termsQuestion(wanted);
}

async function prepare(
  deps: GatewayDeps,
  { principal, wanted }: Placement,
  readings: OrderReadings,
): Promise<PreparedOrder | Refusal> {
  if (wanted.kind !== "quoted") return await prepareWhole(deps, principal, { wanted, readings });
  const { quote } = readings;
  if (quote?.accountId !== principal.accountId) return refuse("quote.not_found");
  const whole = orderOfQuote(quote.request, wanted);
  const goods = await deps.reads.read(termsQuestion(whole));
  return await prepareWhole(deps, principal, { wanted: whole, readings: goods });
}

async function prepareWhole(
  deps: GatewayDeps,
  principal: Principal,
  order: WantedOrder,
): Promise<PreparedOrder | Refusal> {
  return await refusePlacer(deps, principal, order.wanted) ??
    await prepareOrder(deps, placerOf(principal), order);
}

/** An account as the order's rules know who placed it. */
function placerOf(principal: Principal): Placer {
  const { accountId, role } = principal;
  const placedBy = role === "merchant" || role === "customer" ? role : "dispatcher";
  return { accountId, placedBy, mode: principal.mode };
}

/** A shop sells its own goods only; parcels it may send from anywhere. */
async function refusePlacer(
  deps: GatewayDeps,
  principal: Principal,
  wanted: WholeOrder,
): Promise<Refusal | undefined> {
  if (principal.role !== "merchant" || wanted.kind !== "marketplace") return undefined;
  const own = await merchantIdsOf(deps.sql, principal.accountId);
  if (own.includes(wanted.merchantId)) return undefined;
  return refuse("auth.forbidden", "Cannot place the order: merchantId must be a merchant of yours");
}

async function namesOf(
  { principal: { accountId, mode }, wanted, key, fingerprint }: Placement,
): Promise<PlacementNames> {
  const { externalId } = wanted;
  return {
    request: key === undefined
      ? undefined
      : { accountId, key, requestHash: await hashToken(fingerprint) },
    external: externalId === undefined ? undefined : {
      id: { accountId, mode, externalId },
      requestHash: await hashToken(JSON.stringify(wanted)),
    },
  };
}

function namesQuestion({ request, external }: PlacementNames): OrderQuestion {
  return { request, external: external?.id };
}

/** The answer of the first request with the same key or external id; the key comes first. */
async function firstAnswer(
  deps: GatewayDeps,
  { request, external }: PlacementNames,
  { stored, known }: OrderReadings,
  principal: Principal,
): Promise<PlacedAnswer | undefined> {
  if (request !== undefined && stored !== undefined) {
    return { answer: answerOf(stored, request), isReplay: true };
  }
  if (external === undefined || known === undefined) return undefined;
  if (!sameBytes(known.requestHash, external.requestHash)) {
    const refusal = refuse(
      "order.external_id_taken",
      `Cannot place the order: externalId ${external.id.externalId} must come with the body first sent with it`,
      { orderId: known.orderId },
    );
    return { answer: refusalAnswer(refusal), isReplay: false };
  }
  const row = await findOrder(deps.sql, known.orderId);
  if (row === undefined) throw new Error(`order ${known.orderId} must be there`);
  const body = orderJson(row, deps.publicUrl, { role: principal.role });
  return { answer: { status: 200, body }, isReplay: true };
}
