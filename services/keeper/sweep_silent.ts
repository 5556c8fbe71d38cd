/**
 * Takes couriers offline of whom nothing was heard for two minutes.
 *
 * Contract: Redis names the candidates, Postgres decides, and the status that comes back as an
 * event removes them from the index. When this process could not reach Redis for a while, nothing
 * could be heard of anybody, so the sweep is mute for two minutes then: an outage must not look
 * like mass silence.
 */
import { Availability } from "shared/availability/availability.ts";
import { OFFLINE_AFTER_MS } from "shared/availability/cleaning.ts";
import { pause } from "shared/clock/timeout.ts";
import type { Log } from "shared/log/log.ts";
import { markSilent } from "shared/orders/courier_shift.ts";
import type { CourierStatus } from "shared/orders/rows.ts";
import type { PartitionWork } from "shared/regions/partitions.ts";
import type { Sql } from "shared/sql/connect.ts";
import type { KeeperMetrics } from "./metrics.ts";

const SWEEP_MS = 5_000;
/** Without a sweep for this long, Redis or this process was away. */
const OUTAGE_MS = 3 * SWEEP_MS;

/** Decides whether silence can be believed. Pure but for its own memory. */
export class SilenceJudge {
  #lastSweepAtMs: number | undefined;
  #muteUntilMs = 0;

  /** Call before each sweep that can reach Redis; true when silence counts. */
  mayJudge(nowMs: number): boolean {
    const sinceMs = this.#lastSweepAtMs === undefined ? Infinity : nowMs - this.#lastSweepAtMs;
    this.#lastSweepAtMs = nowMs;
    if (sinceMs > OUTAGE_MS) this.#muteUntilMs = nowMs + OFFLINE_AFTER_MS;
    return nowMs >= this.#muteUntilMs;
  }
}

export interface SweepOptions {
  readonly sql: Sql;
  readonly log: Log;
  readonly metrics: KeeperMetrics;
  readonly signal: AbortSignal;
  readonly availability: Availability;
  notifyOutbox(): void;
}

/** Sweeps one partition until the signal aborts. */
export async function sweepSilentCouriers(
  options: SweepOptions,
  work: PartitionWork,
): Promise<void> {
  const judge = new SilenceJudge();
  while (!options.signal.aborted) {
    try {
      await sweepOnce(options, work, judge, performance.now());
    } catch (error) {
      options.log.warn("silence sweep failed; it is tried again", { error });
    }
    await pause(SWEEP_MS, options.signal);
  }
}

/** One sweep. Exported for tests, which bring their own clock. */
export async function sweepOnce(
  options: SweepOptions,
  { region, shard }: PartitionWork,
  judge: SilenceJudge,
  nowMs: number,
): Promise<void> {
  const { sql, availability } = options;
  const onShift = await sql<{ id: string }[]>`
    select id from couriers
    where region = ${region.id} and shard = ${shard} and status <> 'offline'`;
  await availability.watchSilence(onShift.map((courier) => courier.id));
  const silent = await availability.sweepSilent();
  if (!judge.mayJudge(nowMs)) return;
  for (const courierId of silent) {
    try {
      await takeOffline(options, courierId);
    } catch (error) {
      // One courier's trouble must not keep the others on shift.
      options.log.warn("silent courier not taken offline; it is tried again", { courierId, error });
    }
  }
}

async function takeOffline(options: SweepOptions, courierId: string): Promise<void> {
  if (!await markSilent(options.sql, courierId)) return await restate(options, courierId);
  options.metrics.silentCouriers.inc();
  options.log.info("courier taken offline: silent", { courierId });
  options.notifyOutbox();
}

/** Redis thinks the courier is on shift, Postgres does not: say it again, or forget who never was. */
async function restate({ sql, availability }: SweepOptions, courierId: string): Promise<void> {
  const [courier] = await sql<{ status: CourierStatus; version: number }[]>`
    select status, version from couriers where id = ${courierId}`;
  if (courier === undefined) return await availability.forget(courierId);
  await availability.applyStatus(courierId, courier.status, courier.version);
}
