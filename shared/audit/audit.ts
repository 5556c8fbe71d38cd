/**
 * What was done, by whom, with what: appended in the transaction of what it tells, so that neither
 * exists without the other. Never a secret, a password or an e-mail address: `details` holds ids,
 * codes, roles and counts.
 */
import { credentialId, type Principal } from "shared/auth/principal.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import type { Queryable } from "shared/sql/connect.ts";

/** Where a request came from. */
export interface AuditOrigin {
  readonly clientAddress?: string | undefined;
  readonly requestId?: string | undefined;
}

/** What an entry is about, as `{ kind: "order", id }`. */
export interface AuditSubject {
  readonly kind: string;
  readonly id: string;
}

export interface AuditEntry {
  /** Undefined where nobody was signed in, or the system itself acted. */
  readonly actor?: Pick<Principal, "accountId" | "credential"> | undefined;
  /** A past fact, as `session.opened`. */
  readonly action: string;
  readonly subject?: AuditSubject | undefined;
  readonly details?: Readonly<Record<string, unknown>> | undefined;
  readonly origin?: AuditOrigin | undefined;
}

/** Appends an entry; it stands when the caller's transaction commits. */
export async function audit(tx: Queryable, entry: AuditEntry): Promise<void> {
  const { actor, action, subject, details = {}, origin = {} } = entry;
  await tx`
    insert into audit_log (id, actor_account_id, credential_kind, credential_id, action,
      subject_kind, subject_id, details, client_address, request_id)
    values (${uuidv7()}, ${actor?.accountId ?? null}, ${actor?.credential.kind ?? null},
      ${actor === undefined ? null : credentialId(actor.credential)}, ${action},
      ${subject?.kind ?? null}, ${subject?.id ?? null}, ${tx.json(details)},
      ${origin.clientAddress ?? null}, ${origin.requestId ?? null})`;
}
