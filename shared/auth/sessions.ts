import type { Log } from "shared/log/log.ts";
import type { Redis } from "shared/redis/connect.ts";
import type { RedisKeys } from "shared/redis/keys.ts";
import type { Queryable, Sql } from "shared/sql/connect.ts";
import { createToken, hashToken, hexOf } from "./token.ts";

export const ROLES = ["customer", "courier", "merchant", "dispatcher", "admin"] as const;
export type Role = (typeof ROLES)[number];

/** Who is asking. */
export interface Principal {
  readonly accountId: string;
  readonly role: Role;
}

const SESSION_TTL_MS = 24 * 60 * 60_000;
/** Bounds how long a logout could go unseen if Redis missed the deletion. */
const CACHE_TTL_S = 300;

/** Opens a session; the token is shown once and only its hash is stored. */
export async function createSession(
  sql: Queryable,
  accountId: string,
): Promise<{ token: string; expiresAt: Date }> {
  const token = createToken();
  const [row] = await sql<{ expiresAt: Date }[]>`
    insert into sessions (token_hash, account_id, expires_at)
    values (${await hashToken(token)}, ${accountId},
      clock_timestamp() + ${SESSION_TTL_MS} * interval '1 millisecond')
    returning expires_at`;
  if (row === undefined) throw new Error("insert into sessions returned nothing");
  return { token, expiresAt: row.expiresAt };
}

/** Looks sessions up: Redis first, Postgres behind it (and alone where Redis is away). */
export class Sessions {
  readonly #sql: Sql;
  readonly #redis: Redis;
  readonly #keys: RedisKeys;
  readonly #log: Log;

  constructor(deps: { sql: Sql; redis: Redis; keys: RedisKeys; log: Log }) {
    this.#sql = deps.sql;
    this.#redis = deps.redis;
    this.#keys = deps.keys;
    this.#log = deps.log;
  }

  /** The owner of a valid token; undefined for any other text. */
  async find(token: string): Promise<Principal | undefined> {
    const hash = await hashToken(token);
    const key = this.#keys.session(hexOf(hash));
    const cached = await this.#redis.get(key).catch((error) => {
      this.#log.debug("session cache unavailable", { error });
      return null;
    });
    if (cached !== null) return JSON.parse(cached) as Principal;
    const [principal] = await this.#sql<Principal[]>`
      select a.id as account_id, a.role from sessions s join accounts a on a.id = s.account_id
      where s.token_hash = ${hash} and s.expires_at > clock_timestamp()`;
    if (principal === undefined) return undefined;
    const { accountId, role } = principal;
    await this.#redis.set(key, JSON.stringify({ accountId, role }), "EX", CACHE_TTL_S).catch(
      (error) => this.#log.debug("session cache unavailable", { error }),
    );
    return { accountId, role };
  }

  /** Ends a session at once. Postgres first: it decides. */
  async end(token: string): Promise<void> {
    const hash = await hashToken(token);
    await this.#sql`delete from sessions where token_hash = ${hash}`;
    await this.#redis.del(this.#keys.session(hexOf(hash))).catch((error) =>
      this.#log.warn("session stays cached until its short life ends", { error })
    );
  }
}

/** The token of an `Authorization: Bearer` header; undefined when there is none. */
export function bearerToken(header: string | null | undefined): string | undefined {
  return /^Bearer ([A-Za-z0-9_-]{16,512})$/.exec(header ?? "")?.[1];
}
