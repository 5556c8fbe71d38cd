import { trackingToken } from "shared/auth/server_secrets.ts";
import type { GatewayDeps } from "./deps.ts";
import type { OrderJson } from "./order_schemas.ts";

/**
 * An order with the secret of its tracking link. Added last, to the answer that created the order
 * and to its repeats only: what is stored for a repeat has no secret in it.
 *
 * @param known the secret, where it was made a moment ago.
 */
export function withTrackingLink(
  deps: Pick<GatewayDeps, "secrets">,
  order: OrderJson,
  known?: string,
): OrderJson {
  const token = known ?? trackingToken(deps.secrets, order.id);
  return { ...order, tracking: { url: `${order.tracking.url}#${token}`, token } };
}
