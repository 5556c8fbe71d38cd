import type { Queryable } from "shared/sql/connect.ts";

/** An entry of the audit log. */
export interface AuditRow {
  readonly id: string;
  readonly at: Date;
  readonly actorAccountId: string | null;
  readonly credentialKind: string | null;
  readonly credentialId: string | null;
  readonly action: string;
  readonly subjectKind: string | null;
  readonly subjectId: string | null;
  readonly details: Record<string, unknown>;
  readonly clientAddress: string | null;
  readonly requestId: string | null;
}

export interface AuditQuery {
  readonly actorAccountId?: string | undefined;
  readonly action?: string | undefined;
  readonly subjectKind?: string | undefined;
  readonly subjectId?: string | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly beforeId?: string | undefined;
  readonly limit: number;
}

/** Entries, the newest first. */
export async function listAudit(sql: Queryable, query: AuditQuery): Promise<AuditRow[]> {
  const { actorAccountId, action, subjectKind, subjectId, from, to, beforeId } = query;
  return await sql<AuditRow[]>`
    select id, at, actor_account_id, credential_kind, credential_id, action, subject_kind,
      subject_id, details, client_address, request_id
    from audit_log where true
    ${actorAccountId === undefined ? sql`` : sql`and actor_account_id = ${actorAccountId}`}
    ${action === undefined ? sql`` : sql`and action = ${action}`}
    ${subjectKind === undefined ? sql`` : sql`and subject_kind = ${subjectKind}`}
    ${subjectId === undefined ? sql`` : sql`and subject_id = ${subjectId}`}
    ${from === undefined ? sql`` : sql`and at >= ${from}`}
    ${to === undefined ? sql`` : sql`and at < ${to}`}
    ${beforeId === undefined ? sql`` : sql`and id < ${beforeId}`}
    order by id desc limit ${query.limit}`;
}
