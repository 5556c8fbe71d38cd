import type { AuditEntry } from "shared/audit/audit.ts";
import type { Principal } from "shared/auth/principal.ts";
import type { GatewayContext } from "./http.ts";

/** Who asked for what is audited, and where the request came from. */
export function auditedBy(
  c: GatewayContext,
  actor?: Pick<Principal, "accountId" | "credential">,
): Pick<AuditEntry, "actor" | "origin"> {
  const { clientAddress, requestId } = c.env.context;
  return { actor: actor ?? c.get("principal"), origin: { clientAddress, requestId } };
}
