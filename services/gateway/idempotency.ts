/**
 * Idempotency-Key (DESIGN §4.1; the header's draft RFC and Stripe's behaviour).
 *
 * Contract: the first answer of a caller's key is stored in the transaction of its effect, so
 * either both exist or neither. A repeat gets the stored answer for 24 h, another body with the
 * key is refused, and a twin that runs at the same moment is refused at once instead of waiting on
 * a pooled connection (`PlacementWriter`). Server errors are never stored: they roll back.
 */
import { sameBytes } from "shared/auth/token.ts";
import { ProblemError } from "shared/problem/problem.ts";
import type { Queryable, Tx } from "shared/sql/connect.ts";

export const MAX_KEY_CHARACTERS = 255;

/** A key, scoped to its caller: two customers may use the same one. */
export interface RequestKey {
  readonly accountId: string;
  readonly key: string;
}

/** A key with the hash of what "the same request" means: method, path and parsed body. */
export interface IdempotentRequest extends RequestKey {
  readonly requestHash: Uint8Array;
}

/** An answer that may be stored and replayed. */
export interface StoredAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** An answer with the request that it was given to. */
export interface AnsweredRequest extends IdempotentRequest, StoredAnswer {}

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

/** One spelling of a key, for maps and locks. */
export function spelledKey({ accountId, key }: RequestKey): string {
  return `${accountId}:${key}`;
}

/** Reads the answers that stand under these keys; undefined where there is no key. */
export function storedAnswers(sql: Queryable, requests: readonly RequestKey[]) {
  if (requests.length === 0) return undefined;
  return sql<AnsweredRequest[]>`
    select stored.account_id, stored.key, stored.request_hash, stored.status, stored.body
    from unnest(${requests.map(({ accountId }) => accountId)}::uuid[],
        ${requests.map(({ key }) => key)}::text[]) as asked (account_id, key)
      join idempotency stored using (account_id, key)
    where stored.created_at > clock_timestamp() - interval '24 hours'`;
}

/** The answer to a repeat. @throws ProblemError where the key was sent with another body. */
export function answerOf(stored: AnsweredRequest, request: IdempotentRequest): StoredAnswer {
  if (!sameBytes(stored.requestHash, request.requestHash)) {
    throw new ProblemError("idempotency.key_reused", {
      detail: "Cannot repeat: the body must be the one first sent with this key",
    });
  }
  return { status: stored.status, body: stored.body };
}

/** Stores the first answers of keys, in the transaction of their effects. */
export function storeAnswers(tx: Tx, answers: readonly AnsweredRequest[]): void {
  if (answers.length === 0) return;
  // A line each: JSON has no bare line breaks, an array of texts would be escaped letter by letter,
  // and inside of another JSON text Postgres would read each body twice.
  const bodies = answers.map(({ body }) => JSON.stringify(body)).join("\n");
  tx.defer(tx`
    insert into idempotency (account_id, key, request_hash, status, body)
    select account_id, key, request_hash, status, body::json
    from rows from (
      unnest(${answers.map(({ accountId }) => accountId)}::uuid[]),
      unnest(${answers.map(({ key }) => key)}::text[]),
      unnest(${answers.map(({ requestHash }) => requestHash)}::bytea[]),
      unnest(${answers.map(({ status }) => status)}::smallint[]),
      string_to_table(${bodies}, E'\\n')
    ) as answer (account_id, key, request_hash, status, body)
    on conflict (account_id, key) do update set request_hash = excluded.request_hash,
      status = excluded.status, body = excluded.body, created_at = clock_timestamp()`);
}
