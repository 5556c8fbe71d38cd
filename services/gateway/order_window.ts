import { type Refusal, refuse } from "shared/orders/refusal.ts";
import type { Schedule } from "shared/orders/insert_order.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** Shortest and longest window, and how far ahead it may begin. */
const MIN_WINDOW_MS = 15 * MINUTE_MS;
const MAX_WINDOW_MS = DAY_MS;
const MAX_AHEAD_MS = 30 * DAY_MS;

export interface WindowInput {
  readonly window: { readonly startsAt: string; readonly endsAt: string } | undefined;
  readonly nowMs: number;
  /** When the order would be at the door if it were dispatched now. */
  readonly estimatedAt: Date;
}

export type Scheduled =
  | { readonly ok: true; readonly schedule: Schedule | null; readonly estimatedAt: Date }
  | Refusal;

/**
 * From when on a courier is looked for, so that the order comes when its window opens: as long
 * before it as the order would take now. Pure.
 */
export function scheduleOrder({ window, nowMs, estimatedAt }: WindowInput): Scheduled {
  if (window === undefined) return { ok: true, schedule: null, estimatedAt };
  const startsAt = new Date(window.startsAt);
  const endsAt = new Date(window.endsAt);
  const lengthMs = endsAt.getTime() - startsAt.getTime();
  if (lengthMs < MIN_WINDOW_MS || lengthMs > MAX_WINDOW_MS) {
    const bound = "must be 15 min to 24 h after window.startsAt";
    return invalid("window.endsAt", bound, window.endsAt);
  }
  if (startsAt.getTime() - nowMs > MAX_AHEAD_MS) {
    return invalid("window.startsAt", "must be at most 30 days ahead", window.startsAt);
  }
  if (endsAt.getTime() < estimatedAt.getTime()) {
    const bound = `must be at or after ${estimatedAt.toISOString()}, the earliest delivery`;
    return invalid("window.endsAt", bound, window.endsAt);
  }
  const takesMs = estimatedAt.getTime() - nowMs;
  return {
    ok: true,
    schedule: { startsAt, endsAt, releaseAt: new Date(startsAt.getTime() - takesMs) },
    estimatedAt: startsAt > estimatedAt ? startsAt : estimatedAt,
  };
}

function invalid(field: string, bound: string, value: string): Refusal {
  return refuse("request.invalid", `Cannot place the order: ${field} ${bound}: it is ${value}`, {
    errors: [{ field, bound, value }],
  });
}
