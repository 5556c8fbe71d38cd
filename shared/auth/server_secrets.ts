/**
 * Keys derived from the installation's SECRET_KEY, one per purpose (HKDF with SHA-256, RFC 5869), so
 * that what one of them makes says nothing about another.
 */
import { createHmac, createSecretKey, hkdfSync, type KeyObject } from "node:crypto";
import { base64Url } from "./token.ts";

export interface ServerSecrets {
  /** HMAC-SHA-256 over an order's id gives the secret of its tracking link. */
  readonly tracking: KeyObject;
  /** AES-256-GCM around the private parts of signing keys. */
  readonly signingKeys: CryptoKey;
}

const AES = { name: "AES-GCM", length: 256 } as const;
const HMAC_KEY_BYTES = 32;
/** NIST SP 800-38D recommends 96 bits; at random, good for 2^32 messages. */
const NONCE_BYTES = 12;

/** Derives the keys of this installation. */
export async function deriveSecrets(secretKey: string): Promise<ServerSecrets> {
  const input = new TextEncoder().encode(secretKey);
  const base = await crypto.subtle.importKey("raw", input, "HKDF", false, ["deriveKey"]);
  // The input is one secret of high entropy; the purpose alone tells the keys apart (§3.1).
  const salt = new Uint8Array();
  const infoOf = (purpose: string) => new TextEncoder().encode(`hexmile ${purpose}`);
  const tracking = hkdfSync("sha256", input, salt, infoOf("tracking links"), HMAC_KEY_BYTES);
  const hkdf = { name: "HKDF", hash: "SHA-256", salt, info: infoOf("signing keys") };
  return {
    tracking: createSecretKey(new Uint8Array(tracking)),
    signingKeys: await crypto.subtle.deriveKey(hkdf, base, AES, false, ["encrypt", "decrypt"]),
  };
}

/**
 * The secret of an order's tracking link: 256 bits that nobody can make without the server's key.
 * Derived and not random, so that a repeated request can be given it again although only its hash
 * is stored.
 */
export function trackingToken(secrets: ServerSecrets, orderId: string): string {
  // Not Web Crypto: its way to a thread and back costs twenty times the hash of an id.
  return base64Url(createHmac("sha256", secrets.tracking).update(orderId).digest());
}

/** Encrypts; the nonce comes first in the result. `context` must be the same to open it. */
export async function seal(
  key: CryptoKey,
  plain: Uint8Array<ArrayBuffer>,
  context: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const iv = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const sealed = new Uint8Array(await crypto.subtle.encrypt(gcm(iv, context), key, plain));
  const whole = new Uint8Array(iv.length + sealed.length);
  whole.set(iv);
  whole.set(sealed, iv.length);
  return whole;
}

/** Decrypts what `seal` made; undefined when it was made with another key or context, or altered. */
export async function unseal(
  key: CryptoKey,
  sealed: Uint8Array,
  context: string,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const iv = sealed.slice(0, NONCE_BYTES);
  try {
    const plain = crypto.subtle.decrypt(gcm(iv, context), key, sealed.slice(NONCE_BYTES));
    return new Uint8Array(await plain);
  } catch (error) {
    // The one error that decryption has; anything else is a bug.
    if (error instanceof DOMException && error.name === "OperationError") return undefined;
    throw error;
  }
}

function gcm(iv: Uint8Array<ArrayBuffer>, context: string) {
  return { name: "AES-GCM", iv, additionalData: new TextEncoder().encode(context) };
}
