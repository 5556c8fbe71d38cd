import { audit, type AuditEntry } from "shared/audit/audit.ts";
import type { Tx } from "shared/sql/connect.ts";
import { principalOf } from "./access.ts";
import type { GatewayDeps } from "./deps.ts";
import type { GatewayContext } from "./http.ts";

/**
 * Runs a change of the caller and its audit entry in one transaction. Nothing is told where `work`
 * answers false: then it changed nothing.
 */
export async function audited(
  deps: GatewayDeps,
  c: GatewayContext,
  entry: Pick<AuditEntry, "action" | "subject" | "details">,
  work: (tx: Tx) => Promise<boolean>,
): Promise<boolean> {
  const { clientAddress, requestId } = c.env.context;
  return await deps.sql.begin(async (tx) => {
    if (!await work(tx)) return false;
    await audit(tx, {
      ...entry,
      actor: principalOf(c),
      origin: { clientAddress, requestId },
    });
    return true;
  });
}
