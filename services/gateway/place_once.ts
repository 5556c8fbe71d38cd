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
import { hashToken } from "shared/auth/token.ts";
import { insertOrder } from "shared/orders/insert_order.ts";
import { type Refusal, refuse } from "shared/orders/refusal.ts";
import { problemBody, ProblemError, PROBLEMS } from "shared/problem/problem.ts";
import type { Sql, Tx } from "shared/sql/connect.ts";
import type { GatewayDeps } from "./deps.ts";
import { findStoredAnswer, runOnce, type StoredAnswer } from "./idempotency.ts";
import type { OrderSlot, PlacementGuard } from "./middleware/limits.ts";
import { orderJson } from "./order_json.ts";
import type { PlaceOrder } from "./order_schemas.ts";
import { acceptQuote } from "./order_terms.ts";
import { type Placer, prepareOrder } from "./place_order.ts";
import {
  type ExternalId,
  findExternalId,
  insertExternalId,
  type KnownOrder,
  lockExternalId,
} from "./stores/external_id_store.ts";
import { merchantIdsOf } from "./stores/merchant_store.ts";
import { findOrder } from "./stores/order_store.ts";

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
}

/** Places an order, or gives the answer of its first placing. */
export async function placeOnce(deps: GatewayDeps, placement: Placement): Promise<PlacedAnswer> {
  const { principal, guard, wanted, key, fingerprint } = placement;
  const request = { accountId: principal.accountId, key, fingerprint };
  const stored = await findStoredAnswer(deps.sql, request);
  if (stored !== undefined) return { answer: stored, isReplay: true };
  const named = await nameOf(placement);
  const known = named === undefined ? undefined : await findKnown(deps, deps.sql, named, principal);
  if (known !== undefined) return known;
  guard.requireQuota();
  const prepared = await refusePlacer(deps, placement) ??
    await prepareOrder(deps, placerOf(principal), wanted);
  let before: PlacedAnswer | undefined;
  let orderId: string | undefined;
  const once = (slot: OrderSlot) =>
    runOnce(deps.sql, request, async (tx) => {
      if (!prepared.ok) return refusalAnswer(prepared);
      if (named !== undefined) {
        if (!await lockExternalId(tx, named.id)) {
          throw new ProblemError("idempotency.in_progress", { retryAfterS: 1 });
        }
        before = await findKnown(deps, tx, named, principal);
        if (before !== undefined) return before.answer;
      }
      const refusal = await acceptQuote(tx, prepared.order);
      if (refusal !== undefined) return refusalAnswer(refusal);
      await slot.take(tx);
      await insertOrder(tx, prepared.order);
      orderId = prepared.order.id;
      if (named !== undefined) {
        const { requestHash } = named;
        await insertExternalId(tx, named.id, { orderId: prepared.order.id, requestHash });
      }
      const body = await readOrder(deps, tx, prepared.order.id, principal);
      slot.written();
      return { status: 201, body };
    });
  const { answer, isReplay } = await guard.withSlot(once);
  deps.notifyOutbox();
  if (before !== undefined) return before;
  return isReplay || orderId === undefined ? { answer, isReplay } : { answer, isReplay, orderId };
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
  { principal, wanted }: Placement,
): Promise<Refusal | undefined> {
  if (principal.role !== "merchant" || wanted.kind !== "marketplace") return undefined;
  const own = await merchantIdsOf(deps.sql, principal.accountId);
  if (own.includes(wanted.merchantId)) return undefined;
  return refuse("auth.forbidden", "Cannot place the order: merchantId must be a merchant of yours");
}

interface Named {
  readonly id: ExternalId;
  readonly requestHash: Uint8Array;
}

async function nameOf({ principal, wanted }: Placement): Promise<Named | undefined> {
  const { externalId } = wanted;
  if (externalId === undefined) return undefined;
  return {
    id: { accountId: principal.accountId, mode: principal.mode, externalId },
    requestHash: await hashToken(JSON.stringify(wanted)),
  };
}

/** The order that already has the name, or the refusal of another request under it. */
async function findKnown(
  deps: GatewayDeps,
  sql: Sql | Tx,
  { id, requestHash }: Named,
  principal: Principal,
): Promise<PlacedAnswer | undefined> {
  const known = await findExternalId(sql, id);
  if (known === undefined) return undefined;
  if (!isSame(known, requestHash)) {
    const refusal = refuse(
      "order.external_id_taken",
      `Cannot place the order: externalId ${id.externalId} must come with the body first sent with it`,
      { orderId: known.orderId },
    );
    return { answer: refusalAnswer(refusal), isReplay: false };
  }
  const body = await readOrder(deps, sql, known.orderId, principal);
  return { answer: { status: 200, body }, isReplay: true };
}

function isSame({ requestHash }: KnownOrder, hash: Uint8Array): boolean {
  return requestHash.length === hash.length &&
    requestHash.every((byte, index) => byte === hash[index]);
}

function refusalAnswer({ code, detail, members }: Refusal): StoredAnswer {
  const extras = { ...(detail && { detail }), ...(members && { members }) };
  return { status: PROBLEMS[code].status, body: problemBody(code, extras) };
}

async function readOrder(
  deps: GatewayDeps,
  sql: Sql | Tx,
  orderId: string,
  { role }: Principal,
) {
  const row = await findOrder(sql, orderId);
  if (row === undefined) throw new Error(`order ${orderId} must be there`);
  return orderJson(row, deps.publicUrl, { role });
}
