import {
  checkPickup,
  expireOrder,
  raiseLost,
  raiseUnassigned,
  raiseUnconfirmed,
  releaseOrder,
} from "shared/orders/deadline_actions.ts";
import { expireOffer } from "shared/orders/offers.ts";
import { endBreak, endShift, startBreak } from "shared/orders/planned_shifts.ts";
import { stepRobot } from "shared/orders/robot.ts";
import type { Tx } from "shared/sql/connect.ts";
import type { FiredTimer, TimerKind } from "shared/timers/schedule.ts";

/** What a timer does, in the transaction that removes it; silent where its matter is settled. */
export type TimerHandlers = Readonly<
  Record<TimerKind, (tx: Tx, timer: FiredTimer) => Promise<void>>
>;

/** What the product's timers do. */
export const TIMER_HANDLERS: TimerHandlers = {
  "offer.expire": (tx, { key }) => expireOffer(tx, key),
  "order.release": (tx, { key }) => releaseOrder(tx, key),
  "order.unconfirmed": (tx, { key }) => raiseUnconfirmed(tx, key),
  "order.attention": (tx, { key, version }) => raiseUnassigned(tx, key, version),
  "order.expire": (tx, { key, version }) => expireOrder(tx, key, version),
  "assignment.overdue": (tx, { key, version }) => checkPickup(tx, key, version),
  "courier.lost": (tx, { key }) => raiseLost(tx, key),
  "shift.break_start": (tx, { key }) => startBreak(tx, key),
  "shift.break_end": (tx, { key }) => endBreak(tx, key),
  "shift.end": (tx, { key }) => endShift(tx, key),
  "robot.step": (tx, { key, version }) => stepRobot(tx, key, version),
};
