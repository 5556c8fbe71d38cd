import type { OrderKind, OrderState } from "./lifecycle.ts";

export const ORDER_MODES = ["live", "test"] as const;
/** Orders of test mode are carried by a robot, and settled with nobody. */
export type OrderMode = (typeof ORDER_MODES)[number];

/** Why an order is not dispatched although its state would allow it. */
export type Hold = "scheduled" | "dispatcher";

/** Order as it stands in Postgres, in the columns that decisions read. */
export interface OrderRow {
  readonly id: string;
  readonly region: string;
  readonly shard: number;
  readonly kind: OrderKind;
  readonly mode: OrderMode;
  readonly status: OrderState;
  readonly version: number;
  readonly customerId: string;
  readonly merchantId: string | null;
  readonly offersMade: number;
  readonly attention: string | null;
  readonly hold: Hold | null;
  /** How often a courier was lost before the pickup. */
  readonly redispatches: number;
  readonly preparationMinutes: number;
  readonly deliveryMinor: number;
  readonly tipMinor: number;
  /** To be collected at the door; 0 when the order is paid. */
  readonly cashMinor: number;
  readonly currency: string;
}

export const COURIER_STATUSES = ["available", "busy", "paused", "offline"] as const;
export type CourierStatus = (typeof COURIER_STATUSES)[number];

export interface CourierRow {
  readonly id: string;
  readonly region: string;
  readonly shard: number;
  readonly status: CourierStatus;
  readonly version: number;
  readonly vehicle: string;
  readonly capacity: number;
  readonly activeAssignments: number;
  readonly skills: readonly string[];
}

export type OfferStatus = "pending" | "accepted" | "rejected" | "expired" | "withdrawn";

export interface OfferRow {
  readonly id: string;
  readonly orderId: string;
  readonly courierId: string;
  readonly status: OfferStatus;
  readonly attempt: number;
  readonly expiresAt: Date;
}

export interface AssignmentRow {
  readonly id: string;
  readonly orderId: string;
  readonly courierId: string;
  readonly offerId: string | null;
}

/** An assignment with the stops its courier has reached. */
export interface AssignmentProgress extends AssignmentRow {
  readonly arrivedPickupAt: Date | null;
  readonly arrivedDropoffAt: Date | null;
}
