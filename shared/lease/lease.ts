/**
 * Named leases in Postgres: one owner at a time, and a fence that grows with every new owner.
 *
 * Contract: a lease lives 6 s on the database's clock and is renewed every 2 s. An owner that was
 * stopped and continued may still believe it owns; what protects the data is that its writes carry
 * the fence: SQL writes take the lease row `for share` in their transaction (`requireFence`),
 * Redis scripts compare the number. A lease given back on shutdown is free at once.
 */
import { type Clock, SYSTEM_CLOCK } from "shared/clock/clock.ts";
import type { Log } from "shared/log/log.ts";
import type { Sql, Tx } from "shared/sql/connect.ts";
import { pause, withTimeout } from "shared/clock/timeout.ts";

export const LEASE_TTL_MS = 6_000;
const RENEW_MS = 2_000;
const CANDIDATE_MS = 1_000;
/** An owner that cannot renew stops this long before another may begin. */
const END_MARGIN_MS = 1_000;

export interface Lease {
  readonly name: string;
  readonly owner: string;
  readonly fence: number;
}

/** Thrown when a fenced write finds that somebody else owns the lease. */
export class FencedError extends Error {
  override readonly name = "FencedError";
}

/** Takes a lease that is free or expired; undefined when somebody else holds it. */
export async function takeLease(sql: Sql, name: string, owner: string): Promise<Lease | undefined> {
  const rows = await sql<{ fence: string }[]>`
    insert into leases (name, owner, fence, expires_at)
    values (${name}, ${owner}, 1, clock_timestamp() + ${LEASE_TTL_MS} * interval '1 millisecond')
    on conflict (name) do update
      set owner = excluded.owner, fence = leases.fence + 1, expires_at = excluded.expires_at
      where leases.expires_at < clock_timestamp()
    returning fence`;
  const row = rows[0];
  return row === undefined ? undefined : { name, owner, fence: Number(row.fence) };
}

/** Renews a lease; false when it was lost. */
export async function renewLease(sql: Sql, lease: Lease): Promise<boolean> {
  const rows = await sql`
    update leases set expires_at = clock_timestamp() + ${LEASE_TTL_MS} * interval '1 millisecond'
    where name = ${lease.name} and fence = ${lease.fence} and expires_at >= clock_timestamp()
    returning 1`;
  return rows.length === 1;
}

/** Gives a lease back, so that the next owner need not wait for its end. */
export async function releaseLease(sql: Sql, lease: Lease): Promise<void> {
  await sql`
    update leases set expires_at = clock_timestamp() - interval '1 millisecond'
    where name = ${lease.name} and fence = ${lease.fence}`;
}

/**
 * Proves inside a transaction that the lease is still held, and holds off a takeover until commit
 * (a plain `exists` check would race with it).
 *
 * @throws FencedError when it is not; the transaction must roll back.
 */
export async function requireFence(tx: Tx, lease: Lease): Promise<void> {
  const rows = await tx`
    select 1 from leases
    where name = ${lease.name} and fence = ${lease.fence} and expires_at >= clock_timestamp()
    for share`;
  if (rows.length === 0) throw new FencedError(`lease ${lease.name} is no longer held`);
}

export interface HoldOptions {
  readonly sql: Sql;
  readonly name: string;
  /** Unique per process start, so that a restarted process does not believe in its past. */
  readonly owner: string;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly clock?: Clock;
}

/**
 * Runs `work` whenever this process owns the lease, until the signal aborts. The signal that
 * `work` receives aborts when the lease is lost or the process stops; `work` must then return.
 * An error of `work` gives the lease back and tries again.
 */
export async function whileLeased(
  options: HoldOptions,
  work: (lease: Lease, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const { sql, name, owner, log, signal, clock = SYSTEM_CLOCK } = options;
  while (!signal.aborted) {
    const lease = await takeLease(sql, name, owner).catch((error) => {
      log.warn("cannot ask for a lease", { lease: name, error });
      return undefined;
    });
    if (lease === undefined) {
      await pause(CANDIDATE_MS, signal, clock);
      continue;
    }
    log.info("lease taken", { lease: name, fence: lease.fence });
    await workUnderLease(options, lease, work);
    // Without this pause a `work` that fails at once would spin.
    await pause(CANDIDATE_MS, signal, clock);
  }
}

async function workUnderLease(
  options: HoldOptions,
  lease: Lease,
  work: (lease: Lease, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const { sql, name, log, signal } = options;
  const held = new AbortController();
  const stop = () => held.abort();
  signal.addEventListener("abort", stop, { once: true });
  // Aborted while the lease was asked for: the event is over, and would never come.
  if (signal.aborted) stop();
  const renewing = renewUntilLost(options, lease, held);
  try {
    await work(lease, held.signal);
  } catch (error) {
    log.error("work under a lease failed", { lease: name, error });
  } finally {
    held.abort();
    signal.removeEventListener("abort", stop);
    await renewing;
    await releaseLease(sql, lease).catch((error) =>
      log.warn("cannot give a lease back; it ends by itself", { lease: name, error })
    );
  }
}

/** Renews until the work ends; aborts `held` when the lease is lost or its time may have passed. */
async function renewUntilLost(
  { sql, log, clock = SYSTEM_CLOCK }: HoldOptions,
  lease: Lease,
  held: AbortController,
): Promise<void> {
  // Asked for at `askedAtMs`, the lease cannot end before that plus its life, whatever comes back.
  let surelyHeldUntilMs = clock.nowMs() + LEASE_TTL_MS - END_MARGIN_MS;
  while (!held.signal.aborted) {
    await pause(RENEW_MS, held.signal, clock);
    if (held.signal.aborted) return;
    const askedAtMs = clock.nowMs();
    try {
      const patienceMs = Math.max(1, surelyHeldUntilMs - askedAtMs);
      if (await withTimeout("lease renewal", patienceMs, renewLease(sql, lease), clock)) {
        surelyHeldUntilMs = askedAtMs + LEASE_TTL_MS - END_MARGIN_MS;
        continue;
      }
      log.warn("lease lost", { lease: lease.name, fence: lease.fence });
      held.abort();
    } catch (error) {
      log.warn("cannot renew a lease", { lease: lease.name, error });
      if (clock.nowMs() >= surelyHeldUntilMs) held.abort();
    }
  }
}
