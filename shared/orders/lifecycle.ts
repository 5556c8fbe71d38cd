/**
 * The order's states and what may happen in each (DESIGN §3). The tables are total: a state or an
 * action without a decision is a type error. The courier is not a state: an assignment stands
 * beside the order, because a courier may be matched before the food is ready.
 */
export const ORDER_STATES = [
  "placed",
  "confirmed",
  "preparing",
  "ready_for_pickup",
  "picked_up",
  "in_transit",
  "delivered",
  "failed_attempt",
  "returning",
  "returned",
  "cancelled",
  "failed",
  "expired",
] as const;
export type OrderState = (typeof ORDER_STATES)[number];

export const ORDER_ACTIONS = [
  "confirm",
  "prepare",
  "make_ready",
  "pick_up",
  "depart",
  "deliver",
  "fail_attempt",
  "start_return",
  "complete_return",
  "cancel",
  "fail",
  "expire",
] as const;
export type OrderAction = (typeof ORDER_ACTIONS)[number];

export const ORDER_KINDS = ["marketplace", "parcel"] as const;
export type OrderKind = (typeof ORDER_KINDS)[number];

type Row = Record<OrderAction, OrderState | "reject">;

const NOTHING: Row = {
  confirm: "reject",
  prepare: "reject",
  make_ready: "reject",
  pick_up: "reject",
  depart: "reject",
  deliver: "reject",
  fail_attempt: "reject",
  start_return: "reject",
  complete_return: "reject",
  cancel: "reject",
  fail: "reject",
  expire: "reject",
};

/** From the pickup on, both kinds are the same. */
const ON_THE_WAY = {
  picked_up: { ...NOTHING, depart: "in_transit", fail_attempt: "failed_attempt", fail: "failed" },
  in_transit: {
    ...NOTHING,
    deliver: "delivered",
    fail_attempt: "failed_attempt",
    fail: "failed",
  },
  failed_attempt: { ...NOTHING, depart: "in_transit", start_return: "returning", fail: "failed" },
  returning: { ...NOTHING, complete_return: "returned", fail: "failed" },
  delivered: NOTHING,
  returned: NOTHING,
  cancelled: NOTHING,
  failed: NOTHING,
  expired: NOTHING,
} as const satisfies Partial<Record<OrderState, Row>>;

const ENDS_EARLY = { cancel: "cancelled", expire: "expired" } as const;

const NEXT: Record<OrderKind, Record<OrderState, Row>> = {
  marketplace: {
    placed: { ...NOTHING, ...ENDS_EARLY, confirm: "confirmed" },
    confirmed: { ...NOTHING, ...ENDS_EARLY, prepare: "preparing" },
    preparing: { ...NOTHING, ...ENDS_EARLY, make_ready: "ready_for_pickup" },
    ready_for_pickup: { ...NOTHING, ...ENDS_EARLY, pick_up: "picked_up" },
    ...ON_THE_WAY,
  },
  parcel: {
    placed: { ...NOTHING, ...ENDS_EARLY, pick_up: "picked_up" },
    confirmed: NOTHING,
    preparing: NOTHING,
    ready_for_pickup: NOTHING,
    ...ON_THE_WAY,
  },
};

/** Where the action leads, or "reject". */
export function nextState(
  kind: OrderKind,
  state: OrderState,
  action: OrderAction,
): OrderState | "reject" {
  return NEXT[kind][state][action];
}

const TERMINAL: Record<OrderState, boolean> = {
  placed: false,
  confirmed: false,
  preparing: false,
  ready_for_pickup: false,
  picked_up: false,
  in_transit: false,
  delivered: true,
  failed_attempt: false,
  returning: false,
  returned: true,
  cancelled: true,
  failed: true,
  expired: true,
};

/** Whether nothing more can happen to the order. */
export function isTerminal(state: OrderState): boolean {
  return TERMINAL[state];
}

/**
 * Whether a courier may be looked for: the merchant has taken the order (a parcel needs nobody),
 * and it has not left yet.
 */
export function isDispatchable(kind: OrderKind, state: OrderState): boolean {
  if (kind === "parcel") return state === "placed";
  return state === "confirmed" || state === "preparing" || state === "ready_for_pickup";
}

/** Whether the order still waits for its merchant. */
export function isUnconfirmed(kind: OrderKind, state: OrderState): boolean {
  return kind === "marketplace" && state === "placed";
}

/** Whether the goods are with the courier. */
export function isCarried(state: OrderState): boolean {
  return state === "picked_up" || state === "in_transit" || state === "failed_attempt" ||
    state === "returning";
}
