import { z } from "zod";
import { askAheadMs } from "shared/cache/ask_ahead.ts";
import { withTimeout } from "shared/clock/timeout.ts";
import { Gather, padded } from "shared/gather/gather.ts";
import type { Log } from "shared/log/log.ts";
import type { Redis } from "shared/redis/connect.ts";
import type { RedisKeys } from "shared/redis/keys.ts";
import { runScript, type Script } from "shared/redis/script.ts";
import { isUnavailable } from "shared/service/unavailable.ts";
import type { Queryable, Sql, Tx } from "shared/sql/connect.ts";
import { type Principal, principalSchema, type Role } from "./principal.ts";
import { noteRevoked } from "./revocations.ts";
import { createToken, hashToken, hexOf } from "./token.ts";

const SESSION_TTL_MS = 24 * 60 * 60_000;
/** However often it is refreshed, a session is not older than this: then somebody signs in again. */
const SESSION_MAX_AGE_MS = 30 * SESSION_TTL_MS;
/** Sessions of one account; the oldest are ended beyond it. */
const MAX_SESSIONS = 100;
/**
 * A copy in Redis lives as long as its session, and is believed for this long: it bounds how long a
 * logout could go unseen if Redis missed it. An older one counts while Postgres is away.
 */
const BELIEVED_MS = 300_000;
/**
 * Sessions asked about ahead at once; over it they are when they are used next. Who has to wait for an
 * answer goes in the same statements.
 */
const MAX_ASKED_AHEAD = 100;
/** Postgres is asked instead after this long: a Redis that hangs must not hold every request. */
const CACHE_TIMEOUT_MS = 150;
/** Stands in the cache for a session that was ended, so that a look-up under way cannot revive it. */
const ENDED = "ended";
const MAX_USER_AGENT = 200;

/** What stands in Redis for a session that goes on. */
const copySchema = z.object({
  principal: principalSchema,
  /** When Postgres said so, by the clock of the process that asked. */
  askedAtMs: z.number(),
});
type SessionCopy = z.infer<typeof copySchema>;

/**
 * Puts a newer copy in the place of the one that was read. Nothing else is overwritten: the session
 * may have ended meanwhile.
 * KEYS 1 session · ARGV 1 copy as it was read, 2 new copy, 3 lifetime ms
 */
const RENEW_COPY: Script = {
  name: "session_renew",
  lua: `
    if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
    return 1`,
};

/** A session just opened or refreshed. The token is shown once and only its hash is stored. */
export interface OpenedSession {
  readonly sessionId: string;
  readonly token: string;
  readonly expiresAt: Date;
}

/** A session that ended in a transaction; `Sessions.forget` takes it out of the cache. */
export interface EndedSession {
  readonly id: string;
  readonly tokenHash: Uint8Array;
}

export interface OpenOptions {
  /** The password that was verified; one that was changed meanwhile opens nothing. */
  readonly passwordHash?: string;
  readonly userAgent?: string | undefined;
}

/**
 * Opens a session in the caller's transaction; undefined when the account is gone, suspended, or
 * has another password by now. It waits for a change of the account that is under way (`for
 * share`), so a session cannot slip in between a suspension and the end of all sessions.
 */
export async function openSession(
  tx: Queryable,
  accountId: string,
  options: OpenOptions = {},
): Promise<OpenedSession | undefined> {
  const token = createToken();
  const { passwordHash, userAgent } = options;
  const [row] = await tx<{ id: string; expiresAt: Date }[]>`
    insert into sessions (id, token_hash, account_id, expires_at, user_agent)
    select gen_random_uuid(), ${await hashToken(token)}, id,
      clock_timestamp() + ${SESSION_TTL_MS} * interval '1 millisecond',
      ${userAgent?.slice(0, MAX_USER_AGENT) ?? null}
    from (
      select id from accounts
      where id = ${accountId} and suspended_at is null
        and password_hash = coalesce(${passwordHash ?? null}, password_hash)
      for share
    ) account
    returning id, expires_at`;
  return row === undefined ? undefined : { sessionId: row.id, token, expiresAt: row.expiresAt };
}

/** Opens a session of an account that is there. @throws when it is not. */
export async function createSession(sql: Queryable, accountId: string): Promise<OpenedSession> {
  const opened = await openSession(sql, accountId);
  if (opened === undefined) throw new Error("no session: the account is gone or suspended");
  return opened;
}

/** Which sessions of an account. */
export interface SessionChoice {
  readonly only?: string | undefined;
  readonly except?: string | undefined;
}

/** Ends sessions of an account in the caller's transaction; then, after it, `Sessions.forget`. */
export async function endSessions(
  tx: Queryable,
  accountId: string,
  choice: SessionChoice = {},
): Promise<EndedSession[]> {
  const { only = null, except = null } = choice;
  const ended = await tx<EndedSession[]>`
    delete from sessions
    where account_id = ${accountId} and (${only}::uuid is null or id = ${only})
      and (${except}::uuid is null or id <> ${except})
    returning id, token_hash`;
  await noteRevoked(tx, ended.map(({ id }) => id));
  return ended;
}

/** Ends the oldest sessions beyond the bound. As `endSessions`. */
export async function endOldestSessions(tx: Queryable, accountId: string): Promise<EndedSession[]> {
  const ended = await tx<EndedSession[]>`
    delete from sessions where id in (
      select id from sessions where account_id = ${accountId}
      order by created_at desc, id offset ${MAX_SESSIONS})
    returning id, token_hash`;
  await noteRevoked(tx, ended.map(({ id }) => id));
  return ended;
}

/** A session as its owner sees it. */
export interface SessionView {
  readonly id: string;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  readonly userAgent: string | null;
}

/** An account's sessions, the newest first. */
export async function listSessions(sql: Queryable, accountId: string): Promise<SessionView[]> {
  return await sql<SessionView[]>`
    select id, created_at, expires_at, user_agent from sessions
    where account_id = ${accountId} and expires_at > clock_timestamp()
    order by created_at desc, id limit ${MAX_SESSIONS}`;
}

/** When a session ends; undefined when it has. */
export async function findSessionEnd(sql: Queryable, id: string): Promise<Date | undefined> {
  const [row] = await sql<{ expiresAt: Date }[]>`
    select s.expires_at from sessions s join accounts a on a.id = s.account_id
    where s.id = ${id} and s.expires_at > clock_timestamp() and a.suspended_at is null`;
  return row?.expiresAt;
}

/** A session as Postgres knows it. */
interface FoundSession {
  readonly accountId: string;
  readonly role: Role;
  readonly sessionId: string;
  /** How long it goes on. */
  readonly restMs: number;
}

const LOOK_UPS = { name: "sessions", maxGroup: 100, maxCalls: 2 };
/** More calls than may hang at once before they are given up: nobody waits for a place. */
const CACHE_READS = { name: "cached sessions", maxGroup: 100, maxCalls: 10 };

async function findSessions(
  sql: Sql,
  hashes: readonly Uint8Array[],
): Promise<(FoundSession | undefined)[]> {
  const rows = await sql<(FoundSession & { tokenHash: Uint8Array })[]>`
    select s.token_hash, a.id as account_id, a.role, s.id as session_id,
      (extract(epoch from s.expires_at - clock_timestamp()) * 1000)::float8 as rest_ms
    from sessions s join accounts a on a.id = s.account_id
    where s.token_hash = any(${padded(hashes)}::bytea[]) and s.expires_at > clock_timestamp()
      and a.suspended_at is null`;
  const found = new Map(rows.map((row) => [hexOf(row.tokenHash), row]));
  return hashes.map((hash) => found.get(hexOf(hash)));
}

/** What is known of a token before Postgres is asked. */
interface Known {
  readonly hash: Uint8Array;
  readonly key: string;
  /** What stood in Redis: null for nothing, undefined where it did not answer. */
  readonly cached: string | null | undefined;
  readonly copy: SessionCopy | undefined;
}

/** In [0, 1), even among sessions, and the same for each in every process. */
function shareOf(hash: Uint8Array): number {
  return ((hash[0] ?? 0) * 256 + (hash[1] ?? 0)) / 65_536;
}

export interface SessionsDeps {
  readonly sql: Sql;
  readonly redis: Redis;
  readonly keys: RedisKeys;
  readonly log: Log;
  /** Looks up in groups that begin this far apart; alone, a look-up goes at once. */
  readonly paceMs?: number | undefined;
  /** Wall clock, ms. */
  readonly now?: () => number;
}

/** Looks sessions up: Redis first, Postgres behind it (and alone where Redis is away). */
export class Sessions {
  readonly #sql: Sql;
  readonly #redis: Redis;
  readonly #keys: RedisKeys;
  readonly #log: Log;
  readonly #now: () => number;
  readonly #lookUps: Gather<Uint8Array, FoundSession | undefined>;
  readonly #cacheReads: Gather<string, string | null | undefined>;
  /** Keys of sessions of which Postgres is asked while their copy still counts. */
  readonly #askedAhead = new Set<string>();

  constructor(deps: SessionsDeps) {
    this.#sql = deps.sql;
    this.#redis = deps.redis;
    this.#keys = deps.keys;
    this.#log = deps.log;
    this.#now = deps.now ?? Date.now;
    this.#lookUps = new Gather(LOOK_UPS, (hashes) => findSessions(deps.sql, hashes));
    const { paceMs = 0 } = deps;
    this.#cacheReads = new Gather({ ...CACHE_READS, paceMs }, (keys) => this.#readCache(keys));
  }

  /** The owner of a valid token; undefined for any other text. */
  async find(token: string): Promise<Principal | undefined> {
    const hash = await hashToken(token);
    const key = this.#keys.session(hexOf(hash));
    const cached = await this.#cacheReads.ask(key);
    if (cached === ENDED) return undefined;
    const copy = typeof cached === "string" ? parseCopy(cached) : undefined;
    const known: Known = { hash, key, cached, copy };
    const ageMs = this.#now() - (copy?.askedAtMs ?? 0);
    if (copy !== undefined && ageMs >= 0 && ageMs < BELIEVED_MS) {
      if (ageMs >= askAheadMs(BELIEVED_MS, shareOf(hash))) void this.#askAhead(known);
      return copy.principal;
    }
    return await this.#ask(known);
  }

  /** Never rejects: the copy counts, and who comes after its time asks again. */
  async #askAhead(known: Known): Promise<void> {
    const { key } = known;
    if (this.#askedAhead.has(key) || this.#askedAhead.size >= MAX_ASKED_AHEAD) return;
    this.#askedAhead.add(key);
    await this.#ask(known).catch((error) =>
      this.#log.debug("session not asked about ahead", { error })
    );
    this.#askedAhead.delete(key);
  }

  async #ask({ hash, key, cached, copy }: Known): Promise<Principal | undefined> {
    const found = await this.#lookUp(hash, copy);
    if (found === undefined) {
      // Redis has missed its end, and must not tell of it once Postgres is away.
      if (copy !== undefined) void this.#write(this.#redis.set(key, ENDED, "PX", BELIEVED_MS));
      return undefined;
    }
    if (!("restMs" in found)) return found.principal;
    const { accountId, role, sessionId, restMs } = found;
    const principal: Principal = {
      accountId,
      role,
      mode: "live",
      credential: { kind: "session", sessionId },
    };
    // A cache that did not answer is not asked again by the same request; nobody waits for the rest.
    if (cached !== undefined) void this.#keep(key, cached, { principal, restMs });
    return principal;
  }

  /** Asks Postgres; where it is away, what Redis was told earlier has to do. */
  async #lookUp(
    hash: Uint8Array,
    copy: SessionCopy | undefined,
  ): Promise<FoundSession | SessionCopy | undefined> {
    try {
      return await this.#lookUps.ask(hash);
    } catch (error) {
      if (copy === undefined || !isUnavailable(error)) throw error;
      this.#log.debug("session believed from its copy", { error });
      return copy;
    }
  }

  /** @param cached what stood there when it was read; null for nothing. */
  async #keep(
    key: string,
    cached: string | null,
    { principal, restMs }: { readonly principal: Principal; readonly restMs: number },
  ): Promise<void> {
    const copy: SessionCopy = { principal, askedAtMs: this.#now() };
    const text = JSON.stringify(copy);
    const ttlMs = Math.ceil(restMs);
    await this.#write(
      cached === null
        ? this.#redis.set(key, text, "PX", ttlMs, "NX")
        : runScript(this.#redis, RENEW_COPY, [key], [cached, text, ttlMs]),
    );
  }

  /** What the cache holds; null where it holds nothing, undefined where it does not answer in time. */
  async #readCache(keys: readonly string[]): Promise<(string | null | undefined)[]> {
    // Commands of their own: the keys of sessions are on different nodes of a cluster.
    const reads = Promise.all(keys.map((key) => this.#redis.get(key)));
    try {
      return await withTimeout("session cache", CACHE_TIMEOUT_MS, reads);
    } catch (error) {
      this.#log.debug("session cache unavailable", { error });
      return keys.map(() => undefined);
    }
  }

  async #write(write: Promise<unknown>): Promise<void> {
    await withTimeout("session cache", CACHE_TIMEOUT_MS, write).catch((error) =>
      this.#log.debug("session cache unavailable", { error })
    );
  }

  /**
   * Gives a session another token and another day; the old token ends at once. The session keeps
   * its id, so what was opened with it stays open.
   *
   * @returns undefined when the token is not valid, or the session too old to go on.
   */
  async refresh(token: string): Promise<OpenedSession | undefined> {
    const fresh = createToken();
    const tokenHash = await hashToken(token);
    const [row] = await this.#sql<{ id: string; expiresAt: Date }[]>`
      update sessions set token_hash = ${await hashToken(fresh)},
        refreshed_at = clock_timestamp(),
        expires_at = least(clock_timestamp() + ${SESSION_TTL_MS} * interval '1 millisecond',
          created_at + ${SESSION_MAX_AGE_MS} * interval '1 millisecond')
      where token_hash = ${tokenHash} and expires_at > clock_timestamp()
        and created_at > clock_timestamp() - ${SESSION_MAX_AGE_MS} * interval '1 millisecond'
      returning id, expires_at`;
    if (row === undefined) return undefined;
    await this.forget([{ id: row.id, tokenHash }]);
    return { sessionId: row.id, token: fresh, expiresAt: row.expiresAt };
  }

  /**
   * Ends the session of a token at once. Postgres first: it decides.
   *
   * @param within runs in the same transaction.
   */
  async end(token: string, within?: (tx: Tx) => Promise<void>): Promise<void> {
    const tokenHash = await hashToken(token);
    const ended = await this.#sql.begin(async (tx) => {
      const rows = await tx<EndedSession[]>`
        delete from sessions where token_hash = ${tokenHash} returning id, token_hash`;
      await noteRevoked(tx, rows.map(({ id }) => id));
      await within?.(tx);
      return rows;
    });
    await this.forget(ended);
  }

  /** Takes ended sessions out of the cache, after the commit that ended them. */
  async forget(ended: readonly EndedSession[]): Promise<void> {
    const marks = ended.map(({ tokenHash }) =>
      this.#redis.set(this.#keys.session(hexOf(tokenHash)), ENDED, "PX", BELIEVED_MS)
    );
    await Promise.all(marks).catch((error) =>
      // Each process also reads which sessions ended, so nobody accepts them longer than 5 s.
      this.#log.warn("ended sessions stay cached until they are looked up again", { error })
    );
  }
}

/** What another version of the product cached is read again from Postgres. */
function parseCopy(text: string): SessionCopy | undefined {
  const parsed = copySchema.safeParse(JSON.parse(text));
  return parsed.success ? parsed.data : undefined;
}

/** The token of an `Authorization: Bearer` header; undefined when there is none. */
export function bearerToken(header: string | null | undefined): string | undefined {
  return /^Bearer ([A-Za-z0-9._-]{16,2048})$/.exec(header ?? "")?.[1];
}
