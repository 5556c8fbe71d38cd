/** When a simulated kitchen does what: a pure function of the order, so that it survives a restart. */
import type { MerchantAction } from "./api_client.ts";
import type { Order } from "./api_shapes.ts";
import { createRandom, uniform } from "./random.ts";

export interface Kitchen {
  readonly preparationMinutes: number;
  /** The demo's speed factor: cooking is faster by it, tapping on a screen is not. */
  readonly speed: number;
  readonly seed: number;
}

export interface MerchantTask {
  readonly action: MerchantAction;
  /** Unix milliseconds; in the past where it is overdue. */
  readonly dueAtMs: number;
}

const MIN_REACTION_MS = 1_000;
const MAX_REACTION_MS = 3_000;
/** How far preparation strays from what the merchant promises. */
const MIN_PREPARATION_SHARE = 0.8;
const MAX_PREPARATION_SHARE = 1.2;
const MINUTE_MS = 60_000;

/**
 * What the merchant does next with an order and when; undefined when there is nothing to do.
 *
 * @param nowMs stands for the time of the present state where the order does not tell it.
 */
export function nextMerchantTask(
  order: Pick<Order, "id" | "status" | "stateTimes">,
  kitchen: Kitchen,
  nowMs: number,
): MerchantTask | undefined {
  const sinceMs = order.stateTimes[order.status] ?? nowMs;
  // From the order's own generator, whose draws are always made in the same order.
  const random = createRandom(kitchen.seed, order.id);
  const confirmAfterMs = uniform(random, MIN_REACTION_MS, MAX_REACTION_MS);
  const prepareAfterMs = uniform(random, MIN_REACTION_MS, MAX_REACTION_MS);
  const share = uniform(random, MIN_PREPARATION_SHARE, MAX_PREPARATION_SHARE);
  switch (order.status) {
    case "placed":
      return { action: "confirm", dueAtMs: sinceMs + confirmAfterMs };
    case "confirmed":
      return { action: "prepare", dueAtMs: sinceMs + prepareAfterMs };
    case "preparing": {
      const cookingMs = kitchen.preparationMinutes * MINUTE_MS * share / kitchen.speed;
      return { action: "ready", dueAtMs: sinceMs + cookingMs };
    }
    default:
      return undefined;
  }
}
