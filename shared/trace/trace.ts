/**
 * The trace a piece of work belongs to (W3C Trace Context, level 1): taken from a request, carried
 * by every event that the work writes, and taken up again by whoever handles the event. So one id
 * finds a customer's request, the matcher's decision and the message on the courier's channel.
 *
 * Contract: the context follows the work through its awaits (AsyncLocalStorage) and ends with it;
 * two pieces of work at once do not see each other's.
 */
import { AsyncLocalStorage } from "node:async_hooks";

/** `version-traceId-parentId-flags`; ids of zeros are invalid (§3.2.2). */
const TRACEPARENT = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})$/;
const SAMPLED = "01";
const SPAN_DIGITS = 16;

const storage = new AsyncLocalStorage<string>();

/** The traceparent of the work under way; null outside of any. */
export function currentTrace(): string | null {
  return storage.getStore() ?? null;
}

/** The trace's id, for logs; undefined where there is none. */
export function traceId(traceparent: string | null): string | undefined {
  return traceparent === null ? undefined : TRACEPARENT.exec(traceparent)?.[1];
}

/** Runs work as a new step of a trace; without one, or with a malformed one, a new trace begins. */
export function inTrace<Result>(cause: string | null, work: () => Result): Result {
  return storage.run(nextStep(cause), work);
}

function nextStep(cause: string | null): string {
  const [, id = randomDigits(2 * SPAN_DIGITS), flags = SAMPLED] = TRACEPARENT.exec(cause ?? "") ??
    [];
  return `00-${id}-${randomDigits(SPAN_DIGITS)}-${flags}`;
}

/** Hexadecimal, and practically never all zeros: a UUID's version digit alone prevents it. */
function randomDigits(count: number): string {
  return crypto.randomUUID().replaceAll("-", "").slice(0, count);
}
