/** Random secrets that people and programs carry, and what is kept of them. */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";

const TOKEN_BYTES = 32;

/** A new secret of 256 bits, safe in URLs and headers. */
export function createToken(): string {
  return base64Url(crypto.getRandomValues(new Uint8Array(TOKEN_BYTES)));
}

/** Bytes as unpadded base64url (RFC 4648 §5). */
export function base64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64url");
}

/**
 * SHA-256 of a secret: all that is stored. A fast hash is right here, because 256 random bits
 * cannot be guessed (OWASP Session Management; passwords are another matter).
 */
export function hashToken(token: string): Promise<Uint8Array<ArrayBuffer>> {
  // Not Web Crypto: its way to a thread and back costs a hundred times the hash of a line of text.
  return Promise.resolve(new Uint8Array(createHash("sha256").update(token).digest()));
}

/** The hash as text, for Redis keys. */
export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}

/** Compares hashes in a time that does not tell where they differ. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (const [index, byte] of a.entries()) difference |= byte ^ (b[index] ?? 0);
  return difference === 0;
}
