import assert from "node:assert/strict";
import { Registry } from "prom-client";
import { audit } from "shared/audit/audit.ts";
import { noteRevoked } from "shared/auth/revocations.ts";
import { createSession } from "shared/auth/sessions.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { silentLog } from "shared/log/log.ts";
import { createKeeperMetrics } from "../../services/keeper/metrics.ts";
import { sweepRowsOnce } from "../../services/keeper/sweep_rows.ts";
import { insertAccount } from "../harness/fixtures.ts";
import { withStores } from "../harness/with_stores.ts";

Deno.test("sweepRowsOnce() removes what identity needs no more, and nothing that it still needs", async () => {
  await withStores(async ({ sql }) => {
    const accountId = await insertAccount(sql, "customer");
    const [old, young] = [uuidv7(), uuidv7()];
    await noteRevoked(sql, [old, young]);
    await sql`
      update revocations set at = clock_timestamp() - interval '61 minutes'
      where credential_id = ${old}`;
    const ended = await createSession(sql, accountId);
    const open = await createSession(sql, accountId);
    await sql`update sessions set expires_at = clock_timestamp() where id = ${ended.sessionId}`;
    await audit(sql, { action: "of.old" });
    await audit(sql, { action: "of.late" });
    await sql`
      update audit_log set at = clock_timestamp() - interval '401 days' where action = 'of.old'`;
    const metrics = createKeeperMetrics(new Registry());
    const { signal } = new AbortController();
    await sweepRowsOnce({ sql, log: silentLog, metrics, signal });
    const left = async (table: string, column: string) => {
      const rows = await sql<{ value: string }[]>`
        select ${sql(column)}::text as value from ${sql(table)}`;
      return rows.map(({ value }) => value);
    };
    assert.deepEqual(await left("revocations", "credential_id"), [young]);
    assert.deepEqual(await left("sessions", "id"), [open.sessionId]);
    assert.deepEqual(await left("audit_log", "action"), ["of.late"]);
  });
});
