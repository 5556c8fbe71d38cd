import { withTimeout } from "shared/clock/timeout.ts";
import type { Log } from "shared/log/log.ts";
import type { Redis } from "shared/redis/connect.ts";
import type { RedisKeys } from "shared/redis/keys.ts";
import type { Queryable, Sql } from "shared/sql/connect.ts";
import { type Principal, principalSchema, type Role } from "./principal.ts";
import { createToken, hashToken, hexOf } from "./token.ts";

const SESSION_TTL_MS = 24 * 60 * 60_000;
/** Bounds how long a logout could go unseen if Redis missed it. */
const CACHE_TTL_MS = 300_000;
/** Postgres is asked instead after this long: a Redis that hangs must not hold every request. */
const CACHE_TIMEOUT_MS = 150;
/** Stands in the cache for a session that was ended, so that a look-up under way cannot revive it. */
const ENDED = "ended";

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
    const cached = await this.#readCache(key);
    if (cached === ENDED) return undefined;
    const known = typeof cached === "string" ? parsePrincipal(cached) : undefined;
    if (known !== undefined) return known;
    const [found] = await this.#sql<
      { accountId: string; role: Role; sessionId: string; restMs: number }[]
    >`
      select a.id as account_id, a.role, s.id as session_id,
        (extract(epoch from s.expires_at - clock_timestamp()) * 1000)::float8 as rest_ms
      from sessions s join accounts a on a.id = s.account_id
      where s.token_hash = ${hash} and s.expires_at > clock_timestamp()
        and a.suspended_at is null`;
    if (found === undefined) return undefined;
    const { accountId, role, sessionId, restMs } = found;
    const principal: Principal = {
      accountId,
      role,
      mode: "live",
      credential: { kind: "session", sessionId },
    };
    const ttlMs = Math.ceil(Math.min(restMs, CACHE_TTL_MS));
    // A cache that did not answer is not asked again by the same request.
    if (cached === null) await this.#writeCache(key, JSON.stringify(principal), ttlMs);
    return principal;
  }

  /** What the cache holds; null when it holds nothing, undefined when it does not answer in time. */
  async #readCache(key: string): Promise<string | null | undefined> {
    try {
      return await withTimeout("session cache", CACHE_TIMEOUT_MS, this.#redis.get(key));
    } catch (error) {
      this.#log.debug("session cache unavailable", { error });
      return undefined;
    }
  }

  async #writeCache(key: string, value: string, ttlMs: number): Promise<void> {
    const write = this.#redis.set(key, value, "PX", ttlMs, "NX");
    await withTimeout("session cache", CACHE_TIMEOUT_MS, write).catch((error) =>
      this.#log.debug("session cache unavailable", { error })
    );
  }

  /** Ends a session at once. Postgres first: it decides. */
  async end(token: string): Promise<void> {
    const hash = await hashToken(token);
    await this.#sql`delete from sessions where token_hash = ${hash}`;
    const key = this.#keys.session(hexOf(hash));
    await this.#redis.set(key, ENDED, "PX", CACHE_TTL_MS).catch((error) =>
      this.#log.warn("session stays cached until its short life ends", { error })
    );
  }
}

/** What another version of the product cached is read again from Postgres. */
function parsePrincipal(text: string): Principal | undefined {
  const parsed = principalSchema.safeParse(JSON.parse(text));
  return parsed.success ? parsed.data : undefined;
}

/** The token of an `Authorization: Bearer` header; undefined when there is none. */
export function bearerToken(header: string | null | undefined): string | undefined {
  return /^Bearer ([A-Za-z0-9_-]{16,512})$/.exec(header ?? "")?.[1];
}
