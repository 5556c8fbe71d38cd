import type { Role } from "shared/auth/principal.ts";
import type { EventType } from "shared/events/catalogue.ts";
import type { StoredEvent } from "./stores/order_store.ts";

/**
 * What the parties of an order see of its history, field by field. Who was asked and declined, and
 * in which words, is between the couriers and the dispatcher.
 */
const VISIBLE: Partial<Record<EventType, readonly string[]>> = {
  "order.placed": ["orderId", "orderVersion", "kind"],
  "order.confirmed": ["orderId", "orderVersion"],
  "order.status_changed": ["orderId", "orderVersion", "from", "to"],
  "order.cancelled": ["orderId", "orderVersion"],
  "assignment.created": ["orderId", "orderVersion"],
  "assignment.ended": ["orderId", "orderVersion"],
  "delivery.completed": ["orderId", "orderVersion"],
};

/** An event as the API answers it. */
export interface EventJson {
  readonly id: string;
  readonly type: string;
  readonly occurredAt: string;
  readonly data: unknown;
}

/** The events a role may see; dispatchers and admins see everything. */
export function eventsFor(role: Role, events: readonly StoredEvent[]): EventJson[] {
  const seesAll = role === "dispatcher" || role === "admin";
  return events.flatMap(({ eventId, type, occurredAt, data }) => {
    const fields = VISIBLE[type as EventType];
    if (!seesAll && fields === undefined) return [];
    const shown = seesAll || fields === undefined ? data : pick(data, fields);
    return [{ id: eventId, type, occurredAt: occurredAt.toISOString(), data: shown }];
  });
}

function pick(data: unknown, fields: readonly string[]): Record<string, unknown> {
  const all = data as Readonly<Record<string, unknown>>;
  return Object.fromEntries(fields.map((field) => [field, all[field]]));
}
