/**
 * The bounds by which fixes are judged (ADR 0017). They are written into the scripts, so that a
 * fix is judged and stored in one step.
 */
import type { Vehicle } from "shared/streets/vehicle.ts";

/**
 * A fix may arrive this much later than a newer one and still take its place among the others. It
 * covers a phone that retries through a short loss of its network; what is older is refused.
 */
export const REORDER_WINDOW_MS = 30_000;

/** Fixes of a courier inside the window; beyond it the window is shorter. 64 are 1.5 KB. */
export const MAX_WINDOW_FIXES = 64;

/** A fix that may be farther off than this is kept for history, and no order is offered by it. */
export const MAX_ACCURACY_M = 50;

/** What two fixes of the worst accuracy may be apart without anybody having moved. */
export const JUMP_SLACK_M = 2 * MAX_ACCURACY_M;

/**
 * Well above what a vehicle is driven at: a bound for impossible jumps, not for speeding. A courier
 * who is faster all the same (with the bicycle on a train) is believed at the second fix.
 */
export const MAX_SPEED_MPS: Readonly<Record<Vehicle, number>> = {
  foot: 15,
  bicycle: 20,
  motorcycle: 50,
  car: 60,
  van: 50,
};

/** Sustained: one fix a second for each courier. */
export const FIX_INTERVAL_MS = 1_000;

/** What a phone that comes out of a tunnel may send at once. */
export const FIX_BURST = 120;

/** Fixes farther outside the region's bounding box than this are not of its courier's work. */
export const REGION_MARGIN_M = 10_000;

/** A courier silent for this long is not offered (hidden from the index). */
export const HIDDEN_AFTER_MS = 45_000;

/** A courier silent for this long is taken offline. */
export const OFFLINE_AFTER_MS = 120_000;

/**
 * A courier that was hidden for its silence is offered again once it has been heard for this long
 * without another such gap. So one that is heard once a minute does not come and go.
 */
export const RETURN_AFTER_MS = 5_000;

/**
 * That a courier is heard is noted in the set of those seen once in so long, at full multiples of it:
 * how long it has been silent stands in its state, and whoever asks for the silent looks there.
 */
export const SEEN_EVERY_MS = 10_000;

/** What is known of a courier outlives its shift, so that an old fix after a break is still known as old. */
export const COURIER_TTL_S = 48 * 60 * 60;
