import type { Tx } from "shared/sql/connect.ts";

/** What a timer may be for; keeper has one handler per kind. */
export type TimerKind = "offer.expire" | "order.attention" | "order.expire";

/** A timer whose time has come. */
export interface FiredTimer {
  readonly kind: TimerKind;
  readonly key: string;
  readonly version: number;
}

export interface Timer {
  readonly kind: TimerKind;
  /** The offer or order it is about. */
  readonly key: string;
  /** Tells timers of one key apart; a repeat of the same version is the same timer. */
  readonly version: number;
  readonly delayMs: number;
}

/** Schedules inside the transaction that needs the deadline, on the database's clock. */
export async function scheduleTimer(tx: Tx, timer: Timer): Promise<void> {
  await tx`
    insert into timers (kind, key, version, due_at)
    values (${timer.kind}, ${timer.key}, ${timer.version},
      clock_timestamp() + ${timer.delayMs} * interval '1 millisecond')
    on conflict (kind, key, version) do nothing`;
}
