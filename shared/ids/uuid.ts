/**
 * UUID version 7 (RFC 9562 §5.7): 48 bits of Unix milliseconds, then random bits. Ids sort by
 * time, which is what lets `orders` be partitioned by month on its primary key alone (ADR 0005).
 */

/** Where the version's digit of a UUID's text has passed. */
const RANDOM_PART = 15;

/** Creates a UUIDv7. Ids of one process and millisecond are not ordered among themselves. */
export function uuidv7(nowMs: number = Date.now()): string {
  const time = Math.floor(nowMs).toString(16).padStart(12, "0");
  // A random UUID has its 74 random bits and the variant in the same places; only its version is 4.
  const random = crypto.randomUUID().slice(RANDOM_PART);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random}`;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Whether the text is a UUID in its canonical lower-case form. */
export function isUuid(text: string): boolean {
  return UUID.test(text);
}

/** The Unix milliseconds inside a UUIDv7. */
export function uuidTimeMs(id: string): number {
  return parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}
