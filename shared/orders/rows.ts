import type { OrderKind, OrderState } from "./lifecycle.ts";

/** Order as it stands in Postgres, in the columns that decisions read. */
export interface OrderRow {
  readonly id: string;
  readonly region: string;
  readonly shard: number;
  readonly kind: OrderKind;
  readonly status: OrderState;
  readonly version: number;
  readonly customerId: string;
  readonly merchantId: string | null;
  readonly offersMade: number;
  readonly attention: string | null;
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
