/** Who may see an order. For anybody else it does not exist: the answer is the same 404. */
import type { Principal } from "shared/auth/principal.ts";
import { hashToken, sameBytes } from "shared/auth/token.ts";
import { isUuid } from "shared/ids/uuid.ts";
import { ProblemError } from "shared/problem/problem.ts";
import type { GatewayDeps } from "./deps.ts";
import { principalOf } from "./access.ts";
import type { GatewayContext } from "./http.ts";
import { merchantIdsOf } from "./stores/merchant_store.ts";
import { findOrder, type OrderView } from "./stores/order_store.ts";

/** The order as it is now; others will read it so too. @throws ProblemError when there is none. */
export async function requireOrder(deps: GatewayDeps, id: string): Promise<OrderView> {
  const row = await findOrder(deps.sql, id);
  if (row === undefined) throw new ProblemError("order.not_found");
  await deps.orderCache.store(row);
  return row;
}

/** The order, for a party of it; for anybody else it does not exist. */
export async function requireParty(
  deps: GatewayDeps,
  c: GatewayContext,
  principal: Principal,
  id: string,
): Promise<OrderView> {
  const row = await readOrder(deps, c, principal, id);
  if (!await isParty(deps, principal, row)) throw new ProblemError("order.not_found");
  c.env.context.ids["orderId"] = id;
  return row;
}

/** From the cache where that cannot let a stranger in: only a courier's part in an order changes. */
async function readOrder(
  deps: GatewayDeps,
  c: GatewayContext,
  { role }: Principal,
  id: string,
): Promise<OrderView> {
  if (c.req.method !== "GET" || role === "courier") return await requireOrder(deps, id);
  const { row, result } = await deps.orderCache.read(id);
  c.header("x-cache", result);
  if (row === undefined) throw new ProblemError("order.not_found");
  return row;
}

async function isParty(deps: GatewayDeps, principal: Principal, row: OrderView): Promise<boolean> {
  if (row.mode !== principal.mode) return false;
  switch (principal.role) {
    case "customer":
      return row.customerId === principal.accountId;
    case "courier":
      return row.courierId === principal.accountId;
    case "merchant":
      return row.customerId === principal.accountId || row.merchantId !== null &&
          (await merchantIdsOf(deps.sql, principal.accountId)).includes(row.merchantId);
    case "dispatcher":
    case "admin":
      return true;
  }
}

/** A party with a session, or whoever holds the tracking link. */
export async function requireViewer(
  deps: GatewayDeps,
  c: GatewayContext,
  id: string,
): Promise<{ row: OrderView; courierId?: string }> {
  const token = c.req.header("x-tracking-token");
  if (token === undefined) {
    const principal = principalOf(c);
    const row = await requireParty(deps, c, principal, id);
    return principal.role === "courier" ? { row, courierId: principal.accountId } : { row };
  }
  const row = isUuid(id) ? await findOrder(deps.sql, id) : undefined;
  if (row === undefined) throw new ProblemError("order.not_found");
  if (!sameBytes(await hashToken(token), row.trackingTokenHash)) {
    throw new ProblemError("order.not_found");
  }
  c.env.context.ids["orderId"] = id;
  return { row };
}

/** Which orders a caller's lists show. */
export async function scopeOf(deps: GatewayDeps, principal: Principal) {
  const { role, accountId, mode } = principal;
  switch (role) {
    case "customer":
      return { mode, customerId: accountId };
    case "courier":
      return { mode, courierId: accountId };
    case "merchant": {
      // Of its shops, and what it has placed itself.
      const merchantIds = await merchantIdsOf(deps.sql, accountId);
      return { mode, customerId: accountId, merchantIds };
    }
    case "dispatcher":
    case "admin":
      return { mode };
  }
}
