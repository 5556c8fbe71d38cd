/**
 * Fires due timers, on the database's clock.
 *
 * Contract: a timer's handler and its deletion are one transaction, and `skip locked` lets any
 * number of keepers share the work without firing one twice. Handlers look at the truth first, so
 * a timer whose matter is settled does nothing. A handler that fails is put off, so that it does
 * not hold the others up.
 */
import type { Wake } from "shared/clock/wake.ts";
import type { Log } from "shared/log/log.ts";
import type { Sql } from "shared/sql/connect.ts";
import type { FiredTimer } from "shared/timers/schedule.ts";
import type { KeeperMetrics } from "./metrics.ts";
import { TIMER_HANDLERS, type TimerHandlers } from "./timer_handlers.ts";

/** Longest sleep: a timer scheduled by another process is seen this late at worst. */
const MAX_SLEEP_MS = 500;
const PUT_OFF_MS = 5_000;
/** A due timer that cannot be taken is in the hands of another keeper, dead perhaps: no spinning. */
const TAKEN_MS = 20;

interface TimerRow extends FiredTimer {
  readonly id: string;
}

export interface FireOptions {
  readonly sql: Sql;
  readonly log: Log;
  readonly metrics: KeeperMetrics;
  readonly signal: AbortSignal;
  /** Ends a sleep early. */
  readonly wake: Wake;
  /** The product's own unless given. */
  readonly handlers?: TimerHandlers;
  notifyOutbox(): void;
}

/** Fires timers until the signal aborts. */
export async function fireTimers(options: FireOptions): Promise<void> {
  while (!options.signal.aborted) {
    try {
      if (await fireOne(options)) continue;
      await options.wake.wait(await untilNextMs(options.sql), options.signal);
    } catch (error) {
      options.log.warn("cannot look for timers; it is tried again", { error });
      await options.wake.wait(MAX_SLEEP_MS, options.signal);
    }
  }
}

/** Fires the timer that is due longest; false when none is due. */
export async function fireOne(options: FireOptions): Promise<boolean> {
  const { sql, metrics, handlers = TIMER_HANDLERS } = options;
  let taken: TimerRow | undefined;
  try {
    await sql.begin(async (tx) => {
      const [timer] = await tx<TimerRow[]>`
        select id, kind, key, version from timers where due_at <= clock_timestamp()
        order by due_at limit 1 for update skip locked`;
      taken = timer;
      if (timer === undefined) return;
      await handlers[timer.kind](tx, timer);
      tx.defer(tx`delete from timers where id = ${timer.id}`);
    });
  } catch (error) {
    if (taken === undefined) throw error;
    await putOff(options, taken, error);
    return true;
  }
  if (taken === undefined) return false;
  metrics.timersFired.inc({ kind: taken.kind });
  options.notifyOutbox();
  return true;
}

async function putOff(options: FireOptions, timer: TimerRow, error: unknown): Promise<void> {
  const { kind, key } = timer;
  options.metrics.timersFailed.inc({ kind });
  options.log.error("timer failed; it is tried again", { kind, key, error });
  await options.sql`
    update timers set due_at = clock_timestamp() + ${PUT_OFF_MS} * interval '1 millisecond'
    where id = ${timer.id}`;
}

async function untilNextMs(sql: Sql): Promise<number> {
  const [row] = await sql<{ waitMs: number | null }[]>`
    select (extract(epoch from min(due_at) - clock_timestamp()) * 1000)::float8 as wait_ms
    from timers`;
  const waitMs = row?.waitMs ?? MAX_SLEEP_MS;
  return waitMs <= 0 ? TAKEN_MS : Math.min(MAX_SLEEP_MS, Math.max(1, waitMs));
}
