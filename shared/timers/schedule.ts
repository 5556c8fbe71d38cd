import type { Tx } from "shared/sql/connect.ts";

/** What a timer may be for; keeper has one handler per kind. */
export type TimerKind =
  | "offer.expire"
  | "order.release"
  | "order.unconfirmed"
  | "order.attention"
  | "order.expire"
  | "assignment.overdue"
  | "courier.lost"
  | "shift.break_start"
  | "shift.break_end"
  | "shift.end"
  | "robot.step";

/** A timer whose time has come. */
export interface FiredTimer {
  readonly kind: TimerKind;
  readonly key: string;
  readonly version: number;
}

export interface Timer {
  readonly kind: TimerKind;
  /** The offer, order or shift it is about. */
  readonly key: string;
  /** Tells timers of one key apart; a repeat of the same version is the same timer. */
  readonly version: number;
  readonly delayMs: number;
}

/** Schedules inside the transaction that needs the deadline, on the database's clock. */
export function scheduleTimer(tx: Tx, timer: Timer): void {
  scheduleTimers(tx, [timer]);
}

/** Schedules several at once: one statement, whatever their number. */
export function scheduleTimers(tx: Tx, timers: readonly Timer[]): void {
  if (timers.length === 0) return;
  tx.defer(tx`
    insert into timers (kind, key, version, due_at)
    select kind, key, version, clock_timestamp() + delay_ms * interval '1 millisecond'
    from unnest(${timers.map(({ kind }) => kind)}::text[], ${timers.map(({ key }) => key)}::uuid[],
      ${timers.map(({ version }) => version)}::integer[],
      ${timers.map(({ delayMs }) => delayMs)}::float8[]) as timer (kind, key, version, delay_ms)
    on conflict (kind, key, version) do nothing`);
}
