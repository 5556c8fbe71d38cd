/** Keeper's timers in a test: brought forward, then fired as keeper fires them. */
import assert from "node:assert/strict";
import { Wake } from "shared/clock/wake.ts";
import { silentLog } from "shared/log/log.ts";
import { createMetrics } from "shared/metrics/metrics.ts";
import type { Sql } from "shared/sql/connect.ts";
import type { TimerKind } from "shared/timers/schedule.ts";
import { fireOne } from "../../services/keeper/fire_timers.ts";
import { createKeeperMetrics } from "../../services/keeper/metrics.ts";

const MAX_DUE = 200;

/** Fires every timer that is due, as keeper does; how many there were. */
export async function fireDue(sql: Sql): Promise<number> {
  const options = {
    sql,
    log: silentLog,
    metrics: createKeeperMetrics(createMetrics("test").registry),
    signal: new AbortController().signal,
    wake: new Wake(),
    notifyOutbox: () => {},
  };
  let fired = 0;
  while (await fireOne(options)) {
    fired++;
    assert.ok(fired < MAX_DUE, "too many timers");
  }
  return fired;
}

/** Makes the timers of a kind and key due now and fires what is due; false when there is none. */
export async function fireTimer(sql: Sql, kind: TimerKind, key: string): Promise<boolean> {
  const rows = await sql`
    update timers set due_at = clock_timestamp() where kind = ${kind} and key = ${key} returning 1`;
  await fireDue(sql);
  return rows.length > 0;
}
