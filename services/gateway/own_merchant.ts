import { ProblemError } from "shared/problem/problem.ts";
import type { GatewayDeps } from "./deps.ts";
import { principalOf } from "./access.ts";
import type { GatewayContext } from "./http.ts";
import { findMerchant, type Merchant } from "./stores/merchant_store.ts";

/**
 * A merchant of the caller, or any for an admin; somebody else's does not exist here.
 *
 * @throws ProblemError
 */
export async function requireOwnMerchant(
  deps: GatewayDeps,
  c: GatewayContext,
  id: string,
): Promise<Merchant> {
  const principal = principalOf(c);
  const merchant = await findMerchant(deps.sql, id);
  const isTheirs = principal.role === "admin" || merchant?.accountId === principal.accountId;
  if (merchant === undefined || !isTheirs) throw new ProblemError("merchant.not_found");
  return merchant;
}
