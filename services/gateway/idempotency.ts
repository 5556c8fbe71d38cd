/**
 * Idempotency-Key (DESIGN §4.1; the header's draft RFC and Stripe's behaviour).
 *
 * Contract: the first answer of a caller's key is stored in the transaction of its effect, so
 * either both exist or neither. A repeat gets the stored answer for 24 h, another body with the
 * key is refused, and a twin that runs at the same moment is refused at once instead of waiting on
 * a pooled connection. Server errors are never stored: they roll back.
 */
import { hashToken } from "shared/auth/token.ts";
import { ProblemError } from "shared/problem/problem.ts";
import type { Sql, Tx } from "shared/sql/connect.ts";

export const MAX_KEY_CHARACTERS = 255;

export interface IdempotentRequest {
  /** Keys are scoped to the caller: two customers may use the same one. */
  readonly accountId: string;
  /** Undefined where the caller sent none: then every request is its own. */
  readonly key: string | undefined;
  /** What "the same request" means: method, path and parsed body. */
  readonly fingerprint: string;
}

/** An answer that may be stored and replayed. */
export interface StoredAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** The key of a request, from either spelling of the header. @throws ProblemError when too long. */
export function idempotencyKey(headers: Headers): string | undefined {
  const key = headers.get("idempotency-key") ?? headers.get("x-idempotency-key") ?? undefined;
  if (key === undefined) return undefined;
  if (key.length >= 1 && key.length <= MAX_KEY_CHARACTERS) return key;
  throw new ProblemError("request.invalid", {
    errors: [{
      field: "Idempotency-Key",
      bound: `must be 1 to ${MAX_KEY_CHARACTERS} characters`,
      value: key.length,
    }],
  });
}

/** The stored answer of a repeat; undefined for a new key. @throws ProblemError for another body. */
export async function findStoredAnswer(
  sql: Sql | Tx,
  request: IdempotentRequest,
): Promise<StoredAnswer | undefined> {
  if (request.key === undefined) return undefined;
  const [row] = await sql<{ status: number; body: unknown; requestHash: Uint8Array }[]>`
    select status, body, request_hash from idempotency
    where account_id = ${request.accountId} and key = ${request.key}
      and created_at > clock_timestamp() - interval '24 hours'`;
  if (row === undefined) return undefined;
  const hash = await hashToken(request.fingerprint);
  if (!equalBytes(row.requestHash, hash)) {
    throw new ProblemError("idempotency.key_reused", {
      detail: "Cannot repeat: the body must be the one first sent with this key",
    });
  }
  return { status: row.status, body: row.body };
}

/** Runs the effect once per key and stores its answer with it. */
export async function runOnce(
  sql: Sql,
  request: IdempotentRequest,
  effect: (tx: Tx) => Promise<StoredAnswer>,
): Promise<{ answer: StoredAnswer; isReplay: boolean }> {
  // Before the transaction: locks are held no longer than the statements need.
  const requestHash = await hashToken(request.fingerprint);
  return await sql.begin(async (tx) => {
    const { accountId, key } = request;
    if (key === undefined) return { answer: await effect(tx), isReplay: false };
    const [lock] = await tx<{ taken: boolean }[]>`
      select pg_try_advisory_xact_lock(hashtextextended(${`${accountId}:${key}`}, 0)) as taken`;
    if (lock?.taken !== true) throw new ProblemError("idempotency.in_progress", { retryAfterS: 1 });
    const stored = await findStoredAnswer(tx, request);
    if (stored !== undefined) return { answer: stored, isReplay: true };
    const answer = await effect(tx);
    await tx`
      insert into idempotency (account_id, key, request_hash, status, body)
      values (${accountId}, ${key}, ${requestHash}, ${answer.status},
        ${tx.json(answer.body)})
      on conflict (account_id, key) do update set request_hash = excluded.request_hash,
        status = excluded.status, body = excluded.body, created_at = clock_timestamp()`;
    return { answer, isReplay: false };
  });
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
