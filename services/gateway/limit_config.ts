import type { ConfigField } from "shared/config/config.ts";
import { integer } from "shared/config/fields.ts";
import type { BackOff, Limit } from "shared/limits/limit.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/**
 * An order is placed at most this long after its slot was taken: the insert follows in the same
 * transaction, which may idle 5 s between statements and wait 15 s for one; with some to spare.
 */
const ORDER_HOLD_MS = 30_000;

/** The limits as variables. A quota has an upper bound, because its log is kept. */
export const limitFields = {
  LIMIT_ORDERS_PER_HOUR: quota("10", 1_000, "orders of one customer in any 60 minutes"),
  LIMIT_SESSION_REQUESTS_PER_MINUTE: quota("600", 10_000, "requests of one session"),
  LIMIT_API_KEY_REQUESTS_PER_MINUTE: quota(
    "1200",
    100_000,
    "requests of one API key that has no limit of its own",
  ),
  LIMIT_REGISTRATIONS_PER_HOUR: quota("20", 100_000, "accounts registered from one address"),
  LIMIT_LOGIN_FAILURES_PER_ADDRESS: quota(
    "100",
    100_000,
    "failed sign-ins from one address in 15 minutes",
  ),
  LIMIT_LOGIN_FREE_FAILURES: quota(
    "5",
    1_000,
    "failed sign-ins of one account before each further one must wait twice as long",
  ),
};

function quota(fallback: string, max: number, description: string): ConfigField<number> {
  return integer({ fallback, min: 1, max, description: `most ${description}` });
}

type LimitConfig = { readonly [Name in keyof typeof limitFields]: number };

/** Every limit of the gateway. */
export interface LimitPolicies {
  readonly orders: Limit;
  readonly sessionRequests: Limit;
  readonly apiKeyRequests: Limit;
  readonly registrations: Limit;
  readonly loginFailuresByAddress: Limit;
  readonly loginFailuresByAccount: BackOff;
}

/** The limits from the environment. */
export function limitPolicies(config: LimitConfig): LimitPolicies {
  return {
    orders: {
      name: "orders",
      max: config.LIMIT_ORDERS_PER_HOUR,
      windowMs: HOUR_MS,
      holdMs: ORDER_HOLD_MS,
    },
    sessionRequests: {
      name: "session_requests",
      max: config.LIMIT_SESSION_REQUESTS_PER_MINUTE,
      windowMs: MINUTE_MS,
    },
    apiKeyRequests: {
      name: "api_key_requests",
      max: config.LIMIT_API_KEY_REQUESTS_PER_MINUTE,
      windowMs: MINUTE_MS,
    },
    registrations: {
      name: "registrations",
      max: config.LIMIT_REGISTRATIONS_PER_HOUR,
      windowMs: HOUR_MS,
    },
    loginFailuresByAddress: {
      name: "login_address",
      max: config.LIMIT_LOGIN_FAILURES_PER_ADDRESS,
      windowMs: 15 * MINUTE_MS,
    },
    loginFailuresByAccount: {
      name: "login_account",
      freeAttempts: config.LIMIT_LOGIN_FREE_FAILURES,
      firstDelayMs: 1_000,
      maxDelayMs: 15 * MINUTE_MS,
      forgetAfterMs: HOUR_MS,
    },
  };
}
