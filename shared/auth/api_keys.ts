/**
 * API keys: `hxm_<mode>_<prefix>_<secret>`. The prefix finds the row and may be shown; the whole key
 * is shown once and stored as a SHA-256 (a fast hash is right for 256 random bits).
 *
 * Contract: a key that was found is remembered for `REMEMBER_MS`, so one that ended is refused within
 * that time even where nothing else says so. Uses are noted in memory and written behind.
 */
import { pause } from "shared/clock/timeout.ts";
import type { Log } from "shared/log/log.ts";
import type { Queryable, Sql } from "shared/sql/connect.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import type { Mode, Principal, Role } from "./principal.ts";
import { noteRevoked } from "./revocations.ts";
import { type Scope, SCOPES_OF_ROLE } from "./scopes.ts";
import { createToken, hashToken, sameBytes } from "./token.ts";

const KEY = /^hxm_(live|test)_([a-z0-9]{12})_[A-Za-z0-9_-]{43}$/;
const PREFIX_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789";
const PREFIX_LENGTH = 12;
const REMEMBER_MS = 4_000;
const MAX_REMEMBERED = 20_000;
const FLUSH_MS = 60_000;
/** Keys that can be in use at once before a use goes unnoted. */
const MAX_NOTED = 100_000;

/** Whether the text has the form of a key. */
export function isApiKey(token: string): boolean {
  return KEY.test(token);
}

export interface NewApiKey {
  readonly accountId: string;
  readonly name: string;
  readonly mode: Mode;
  readonly scopes: readonly Scope[];
  readonly requestsPerMinute?: number | undefined;
  readonly expiresAt?: string | undefined;
  /** Binds the key to one order: it sends that order's positions, and ends with it. */
  readonly orderId?: string | undefined;
}

/** The one scope of keys that are bound to an order, whatever their account's role. */
const ORDER_KEY_SCOPES: readonly Scope[] = ["positions:write"];

/** A key as its owner sees it afterwards. */
export interface ApiKeyView {
  readonly id: string;
  readonly name: string;
  readonly mode: Mode;
  readonly prefix: string;
  readonly scopes: readonly Scope[];
  readonly requestsPerMinute: number | null;
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
  readonly lastUsedAt: Date | null;
}

/** Makes a key in the caller's transaction; the text is shown once. */
export async function insertApiKey(
  tx: Queryable,
  key: NewApiKey,
): Promise<{ text: string; view: ApiKeyView }> {
  const prefix = createPrefix();
  const text = `hxm_${key.mode}_${prefix}_${createToken()}`;
  const [view] = await tx<ApiKeyView[]>`
    insert into api_keys (id, account_id, name, mode, prefix, secret_hash, scopes,
      requests_per_minute, expires_at, order_id)
    values (${uuidv7()}, ${key.accountId}, ${key.name}, ${key.mode}, ${prefix},
      ${await hashToken(text)}, ${[...key.scopes]}, ${key.requestsPerMinute ?? null},
      ${key.expiresAt ?? null}, ${key.orderId ?? null})
    returning id, name, mode, prefix, scopes, requests_per_minute, created_at, expires_at,
      revoked_at, last_used_at`;
  if (view === undefined) throw new Error("insert into api_keys returned nothing");
  return { text, view };
}

/** Rejection sampling: each character is equally likely. */
function createPrefix(): string {
  let prefix = "";
  const most = 256 - 256 % PREFIX_CHARACTERS.length;
  while (prefix.length < PREFIX_LENGTH) {
    const [byte = most] = crypto.getRandomValues(new Uint8Array(1));
    if (byte < most) prefix += PREFIX_CHARACTERS.charAt(byte % PREFIX_CHARACTERS.length);
  }
  return prefix;
}

/** An account's keys, the newest first, also those that ended; without those of orders. */
export async function listApiKeys(
  sql: Queryable,
  accountId: string,
  page: { readonly limit: number; readonly beforeId?: string | undefined },
): Promise<ApiKeyView[]> {
  const { limit, beforeId = null } = page;
  return await sql<ApiKeyView[]>`
    select id, name, mode, prefix, scopes, requests_per_minute, created_at, expires_at, revoked_at,
      last_used_at
    from api_keys where account_id = ${accountId} and order_id is null
      and (${beforeId}::uuid is null or id < ${beforeId})
    order by id desc limit ${limit}`;
}

/** Keys of the devices of an order, the newest first, also those that ended. */
export async function listOrderKeys(sql: Queryable, orderId: string): Promise<ApiKeyView[]> {
  return await sql<ApiKeyView[]>`
    select id, name, mode, prefix, scopes, requests_per_minute, created_at, expires_at, revoked_at,
      last_used_at
    from api_keys where order_id = ${orderId} order by id desc`;
}

/** Ends a key of an order in the caller's transaction; undefined where the order has no such key. */
export async function revokeOrderKey(
  tx: Queryable,
  orderId: string,
  id: string,
): Promise<{ changed: boolean } | undefined> {
  const [key] = await tx`select 1 from api_keys where id = ${id} and order_id = ${orderId}`;
  if (key === undefined) return undefined;
  const changed = await tx`
    update api_keys set revoked_at = clock_timestamp() where id = ${id} and revoked_at is null`;
  if (changed.count === 1) await noteRevoked(tx, [id]);
  return { changed: changed.count === 1 };
}

/** How many keys of an account still open something; those of orders are counted with the order. */
export async function countApiKeys(sql: Queryable, accountId: string): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*)::int as count from api_keys
    where account_id = ${accountId} and order_id is null and revoked_at is null
      and (expires_at is null or expires_at > clock_timestamp())`;
  return row?.count ?? 0;
}

/** Ends keys of an account in the caller's transaction; returns the ids of those that ended now. */
export async function revokeApiKeys(
  tx: Queryable,
  accountId: string,
  only: string | null = null,
): Promise<string[]> {
  const rows = await tx<{ id: string }[]>`
    update api_keys set revoked_at = clock_timestamp()
    where account_id = ${accountId} and revoked_at is null and (${only}::uuid is null or id = ${only})
    returning id`;
  const ids = rows.map(({ id }) => id);
  await noteRevoked(tx, ids);
  return ids;
}

interface Found {
  readonly principal: Principal;
  readonly hash: Uint8Array;
  readonly restMs: number;
}

interface Remembered {
  /** Undefined for a prefix that is nobody's. */
  readonly found: Found | undefined;
  readonly untilMs: number;
}

/** Looks keys up. */
export class ApiKeys {
  readonly #sql: Sql;
  readonly #log: Log;
  readonly #now: () => number;
  readonly #remembered = new Map<string, Remembered>();
  #used = new Map<string, Date>();

  constructor(deps: { sql: Sql; log: Log; now?: () => number }) {
    this.#sql = deps.sql;
    this.#log = deps.log;
    this.#now = deps.now ?? (() => performance.now());
  }

  /** The owner of a valid key; undefined for any other text. */
  async find(text: string): Promise<Principal | undefined> {
    const prefix = KEY.exec(text)?.[2];
    if (prefix === undefined) return undefined;
    const found = await this.#lookUp(prefix);
    // Hashed in any case: the time taken does not tell which prefixes exist.
    const hash = await hashToken(text);
    if (found === undefined || !sameBytes(hash, found.hash)) return undefined;
    this.#note(found.principal);
    return found.principal;
  }

  async #lookUp(prefix: string): Promise<Found | undefined> {
    const known = this.#remembered.get(prefix);
    if (known !== undefined && this.#now() < known.untilMs) return known.found;
    const askedAtMs = this.#now();
    const found = await this.#read(prefix);
    if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear();
    const rememberMs = Math.min(REMEMBER_MS, found?.restMs ?? REMEMBER_MS);
    this.#remembered.set(prefix, { found, untilMs: askedAtMs + rememberMs });
    return found;
  }

  async #read(prefix: string): Promise<Found | undefined> {
    const [row] = await this.#sql<
      {
        id: string;
        accountId: string;
        role: Role;
        mode: Mode;
        secretHash: Uint8Array;
        scopes: Scope[];
        requestsPerMinute: number | null;
        orderId: string | null;
        restMs: number | null;
      }[]
    >`
      select k.id, k.account_id, a.role, k.mode, k.secret_hash, k.scopes, k.requests_per_minute,
        k.order_id,
        (extract(epoch from k.expires_at - clock_timestamp()) * 1000)::float8 as rest_ms
      from api_keys k join accounts a on a.id = k.account_id
      where k.prefix = ${prefix} and k.revoked_at is null and a.suspended_at is null
        and (k.expires_at is null or k.expires_at > clock_timestamp())`;
    if (row === undefined) return undefined;
    const { id, accountId, role, mode, requestsPerMinute, orderId } = row;
    // Never more than the account's role may give, whatever it could give when the key was made.
    const possible = orderId === null ? SCOPES_OF_ROLE[role] : ORDER_KEY_SCOPES;
    const scopes = row.scopes.filter((scope) => possible.includes(scope));
    return {
      principal: {
        accountId,
        role,
        mode,
        credential: {
          kind: "api_key",
          keyId: id,
          scopes,
          requestsPerMinute,
          ...(orderId === null ? {} : { orderId }),
        },
      },
      hash: row.secretHash,
      restMs: row.restMs ?? Infinity,
    };
  }

  #note({ credential }: Principal): void {
    if (credential.kind !== "api_key") return;
    if (this.#used.size < MAX_NOTED || this.#used.has(credential.keyId)) {
      this.#used.set(credential.keyId, new Date());
    }
  }

  /** Writes each minute when keys were last used, until the signal aborts, and once more then. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(FLUSH_MS, signal);
      await this.flush().catch((error) =>
        this.#log.warn("last uses of keys not written; they are told at the next use", { error })
      );
    }
  }

  /** Writes the uses noted since the last time. */
  async flush(): Promise<void> {
    const used = [...this.#used];
    this.#used = new Map();
    if (used.length === 0) return;
    await this.#sql`
      update api_keys set last_used_at = greatest(last_used_at, u.at)
      from unnest(${used.map(([id]) => id)}::uuid[],
        ${used.map(([, at]) => at.toISOString())}::timestamptz[]) u (id, at)
      where api_keys.id = u.id`;
  }
}
