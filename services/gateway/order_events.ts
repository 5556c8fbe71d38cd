import type { Role } from "shared/auth/principal.ts";
import type { EventType } from "shared/events/catalogue.ts";
import type { StoredEvent } from "./stores/order_store.ts";

/**
 * What the parties of an order see of its history, field by field. Who was asked and declined, and
 * in which words, is between the couriers and the dispatcher.
 */
const VISIBLE: Partial<Record<EventType, readonly string[]>> = {
  "order.placed": ["orderId", "orderVersion", "kind"],
  "order.released": ["orderId", "orderVersion", "held"],
  "order.confirmed": ["orderId", "orderVersion"],
  "order.status_changed": ["orderId", "orderVersion", "from", "to"],
  "order.cancelled": ["orderId", "orderVersion", "code", "feeMinor", "currency"],
  "order.courier_arrived": ["orderId", "orderVersion", "stop"],
  "order.tip_changed": ["orderId", "orderVersion", "tipMinor", "currency"],
  "assignment.created": ["orderId", "orderVersion"],
  "assignment.ended": ["orderId", "orderVersion"],
  "delivery.completed": ["orderId", "orderVersion", "cashCollectedMinor"],
};

/** States of which the parties learn in whose words they came about. */
const EXPLAINED: readonly string[] = ["failed_attempt", "returning", "returned", "failed"];

/** An event as the API answers it. */
export interface EventJson {
  readonly id: string;
  readonly type: string;
  readonly occurredAt: string;
  readonly actor: { readonly role: string; readonly id?: string };
  readonly reason?: string;
  readonly data: unknown;
}

/** The events a role may see; dispatchers and admins see everything. */
export function eventsFor(role: Role, events: readonly StoredEvent[]): EventJson[] {
  const seesAll = role === "dispatcher" || role === "admin";
  return events.flatMap((event) => {
    const fields = VISIBLE[event.type as EventType];
    if (!seesAll && fields === undefined) return [];
    const { actorRole, actorId, reason, data } = event;
    const shown = seesAll || fields === undefined ? data : pick(data, fields);
    return [{
      id: event.eventId,
      type: event.type,
      occurredAt: event.occurredAt.toISOString(),
      actor: { role: actorRole, ...(seesAll && actorId !== null ? { id: actorId } : {}) },
      ...(reason !== null && (seesAll || isExplained(data)) ? { reason } : {}),
      data: shown,
    }];
  });
}

function isExplained(data: unknown): boolean {
  const { to } = data as { readonly to?: unknown };
  return typeof to === "string" && EXPLAINED.includes(to);
}

function pick(data: unknown, fields: readonly string[]): Record<string, unknown> {
  const all = data as Readonly<Record<string, unknown>>;
  return Object.fromEntries(
    fields.filter((field) => all[field] !== undefined).map((field) => [field, all[field]]),
  );
}
