/**
 * The Ed25519 keys of access tokens.
 *
 * Contract: a new key is published before it signs, longer than anybody may keep the published set;
 * a replaced key stays published until the last token it signed has ended. So a verifier that
 * follows the rules never meets a token whose key it cannot know. All times are the database's.
 * Rotation happens when a token is asked for: a set that nobody uses needs none.
 */
import {
  calculateJwkThumbprint,
  type CryptoKey,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
} from "jose";
import type { Log } from "shared/log/log.ts";
import type { Sql, Tx } from "shared/sql/connect.ts";
import { seal, type ServerSecrets, unseal } from "./server_secrets.ts";

/** How long others may keep the published set (its Cache-Control). */
export const JWKS_MAX_AGE_S = 300;
/** From publishing to signing: the cache age, and as much again for clocks and slow caches. */
const PUBLISH_AHEAD_S = 2 * JWKS_MAX_AGE_S;
/** From the successor's first signature: this process's memory, a token's life and leeway. */
const RETIRE_AFTER_S = 600;
const ROTATE_AFTER_DAYS = 30;
/** How long a process signs and verifies without looking at the table. */
const REMEMBER_MS = 60_000;
const ALGORITHM = "EdDSA";

/** A key that signs. */
export interface Signer {
  readonly kid: string;
  readonly key: CryptoKey;
}

interface StoredKey {
  readonly kid: string;
  readonly privateKey: Uint8Array;
  readonly signs: boolean;
  readonly isOld: boolean;
}

export interface RotateOptions {
  /** The present keys are known to others: they are refused as soon as verifiers look again. */
  readonly compromised?: boolean;
}

/** The signing side: the gateway's. */
export class SigningKeys {
  readonly #sql: Sql;
  readonly #secrets: Pick<ServerSecrets, "signingKeys">;
  readonly #log: Log;
  readonly #now: () => number;
  #signer: Signer | undefined;
  #untilMs = -Infinity;

  constructor(
    deps: {
      sql: Sql;
      secrets: Pick<ServerSecrets, "signingKeys">;
      log: Log;
      now?: () => number;
    },
  ) {
    this.#sql = deps.sql;
    this.#secrets = deps.secrets;
    this.#log = deps.log;
    this.#now = deps.now ?? (() => performance.now());
  }

  /** The key that signs now; made where there is none, succeeded where it is old. */
  async current(): Promise<Signer> {
    if (this.#signer !== undefined && this.#now() < this.#untilMs) return this.#signer;
    const signer = await this.#sql.begin(async (tx) => {
      await lock(tx);
      const keys = await readKeys(tx);
      const found = await this.#firstOpened(keys.filter(({ signs }) => signs));
      if (found === undefined) return await this.#create(tx, 0);
      // The newest is last in line: while it only waits, no other is made.
      if (keys[0]?.isOld === true) await this.#create(tx, PUBLISH_AHEAD_S);
      return found;
    });
    this.#signer = signer;
    this.#untilMs = this.#now() + REMEMBER_MS;
    return signer;
  }

  /** Makes the next key now, for instance because somebody left. Returns its id. */
  async rotate(tx: Tx, options: RotateOptions = {}): Promise<string> {
    await lock(tx);
    const { compromised = false } = options;
    const { kid } = await this.#create(tx, compromised ? 0 : PUBLISH_AHEAD_S);
    if (compromised) {
      await tx`
        update signing_keys set retires_at = clock_timestamp() where kid <> ${kid}`;
    }
    this.#untilMs = -Infinity;
    return kid;
  }

  async #create(tx: Tx, aheadS: number): Promise<Signer> {
    const pair = await generateKeyPair(ALGORITHM, { crv: "Ed25519", extractable: true });
    const publicJwk = await exportJWK(pair.publicKey);
    const kid = await calculateJwkThumbprint(publicJwk);
    const plain = new TextEncoder().encode(JSON.stringify(await exportJWK(pair.privateKey)));
    const sealed = await seal(this.#secrets.signingKeys, plain, kid);
    await tx`
      insert into signing_keys (kid, public_jwk, private_key, signs_from)
      values (${kid}, ${tx.json(publicJwk)}, ${sealed},
        clock_timestamp() + ${aheadS} * interval '1 second')`;
    await tx`
      update signing_keys
      set retires_at = clock_timestamp() + ${aheadS + RETIRE_AFTER_S} * interval '1 second'
      where kid <> ${kid} and retires_at is null`;
    await tx`
      delete from signing_keys where retires_at < clock_timestamp() - interval '1 day'`;
    return { kid, key: pair.privateKey };
  }

  /** The newest that SECRET_KEY opens; others were made under another one and sign no more. */
  async #firstOpened(keys: readonly StoredKey[]): Promise<Signer | undefined> {
    for (const { kid, privateKey } of keys) {
      const plain = await unseal(this.#secrets.signingKeys, privateKey, kid);
      if (plain === undefined) {
        this.#log.warn("a signing key cannot be opened: SECRET_KEY is another", { kid });
        continue;
      }
      const jwk = JSON.parse(new TextDecoder().decode(plain)) as JWK;
      return { kid, key: await importKey(jwk) };
    }
    return undefined;
  }
}

async function lock(tx: Tx): Promise<void> {
  await tx`select pg_advisory_xact_lock(hashtext('signing_keys'))`;
}

/** The newest first. */
async function readKeys(tx: Tx): Promise<StoredKey[]> {
  return await tx<StoredKey[]>`
    select kid, private_key, signs_from <= clock_timestamp() as signs,
      created_at < clock_timestamp() - ${ROTATE_AFTER_DAYS} * interval '1 day' as is_old
    from signing_keys where retires_at is null or retires_at > clock_timestamp()
    order by signs_from desc, created_at desc`;
}

async function importKey(jwk: JWK): Promise<CryptoKey> {
  const key = await importJWK(jwk, ALGORITHM);
  if (key instanceof Uint8Array) throw new Error("a signing key must be asymmetric");
  return key;
}

/** A public key as it is published (RFC 7517). */
export interface PublishedKey extends JWK {
  readonly kid: string;
}

/** An unknown key id makes a process look again, but no more often than this. */
const MISS_MS = 5_000;

/** The verifying side: every service's. */
export class VerifyingKeys {
  readonly #sql: Sql;
  readonly #now: () => number;
  #keys: ReadonlyMap<string, { readonly key: CryptoKey; readonly jwk: PublishedKey }> = new Map();
  #readAtMs = -Infinity;
  #reading: Promise<void> | undefined;

  constructor(deps: { sql: Sql; now?: () => number }) {
    this.#sql = deps.sql;
    this.#now = deps.now ?? (() => performance.now());
  }

  /** The key with this id, from memory; undefined when there is none. */
  async find(kid: string): Promise<CryptoKey | undefined> {
    const ageMs = this.#now() - this.#readAtMs;
    const isKnown = this.#keys.has(kid);
    if (ageMs > REMEMBER_MS || !isKnown && ageMs > MISS_MS) await this.#read();
    return this.#keys.get(kid)?.key;
  }

  /** Everything that is published, the newest first. */
  async published(): Promise<PublishedKey[]> {
    if (this.#now() - this.#readAtMs > MISS_MS) await this.#read();
    return [...this.#keys.values()].map(({ jwk }) => jwk);
  }

  /** Many may ask at once; one reads. */
  async #read(): Promise<void> {
    this.#reading ??= this.#load().finally(() => this.#reading = undefined);
    await this.#reading;
  }

  async #load(): Promise<void> {
    const rows = await this.#sql<{ kid: string; publicJwk: JWK }[]>`
      select kid, public_jwk from signing_keys
      where retires_at is null or retires_at > clock_timestamp() order by signs_from desc`;
    const keys = new Map<string, { key: CryptoKey; jwk: PublishedKey }>();
    for (const { kid, publicJwk } of rows) {
      const jwk = { ...publicJwk, kid, alg: ALGORITHM, use: "sig" };
      keys.set(kid, { key: await importKey(jwk), jwk });
    }
    this.#keys = keys;
    this.#readAtMs = this.#now();
  }
}
