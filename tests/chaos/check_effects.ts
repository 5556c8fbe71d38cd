/**
 * Rule I7, second half: what a group has acknowledged has had its effect. Ingest's and tracker's
 * effects stand in Redis and carry versions, so they are compared with Postgres one by one. The
 * matcher's effect is what it reads anew from Postgres, and an order without an offer is rule I2's.
 */
import { readCourierState } from "shared/availability/courier_state.ts";
import type { CourierStatus } from "shared/orders/rows.ts";
import type { Evidence, Violation } from "./evidence.ts";

/** Checks every courier and every track. */
export async function checkEffects(evidence: Evidence): Promise<Violation[]> {
  const details = [...await courierEffects(evidence), ...await trackEffects(evidence)];
  return details.map((detail) => ({ rule: "I7", detail }));
}

/** Ingest: Redis has of each courier the status and version of its newest event. */
async function courierEffects({ sql, redis, keys, partition }: Evidence): Promise<string[]> {
  const couriers = await sql<{ id: string; status: CourierStatus; version: number }[]>`
    select id, status, version from couriers c
    where exists (select 1 from outbox where key = c.id)`;
  const details: string[] = [];
  for (const { id, status, version } of couriers) {
    const state = await redis.hgetBuffer(keys.couriers(partition), id);
    const known = state === null ? undefined : readCourierState(state);
    const [hashStatus, hashVersion] = [known?.status ?? null, known?.version ?? null];
    // A rebuild says only who is on shift; who is unknown is offline to every reader.
    if (hashStatus === null && status === "offline") continue;
    if (hashStatus === status && Number(hashVersion) === version) continue;
    details.push(
      `courier ${id} is ${status} at version ${version}, ` +
        `and ingest's effect is ${hashStatus} at ${hashVersion}`,
    );
  }
  return details;
}

interface Change {
  readonly kind: "status" | "courier";
  readonly version: number;
  readonly what: string;
}

/**
 * Tracker: the log of each order has one frame per change of status and of courier. Of a log that
 * was begun anew because Redis was wiped, the oldest frames of a kind may be missing: its readers
 * were told to take a snapshot.
 */
async function trackEffects(evidence: Evidence): Promise<string[]> {
  const { sql, redis, keys, partition, expected } = evidence;
  const orders = await sql<{ id: string; changes: Change[] }[]>`
    select o.id, coalesce((
      select jsonb_agg(jsonb_build_object('version', e.aggregate_version,
        'kind', case e.type when 'order.status_changed' then 'status' else 'courier' end,
        'what', coalesce(e.data ->> 'to', e.type)) order by e.id)
      from outbox_events e where e.key = o.id and e.type in
        ('order.status_changed', 'assignment.created', 'assignment.ended')), '[]') as changes
    from orders o`;
  const details: string[] = [];
  for (const { id, changes } of orders) {
    const entries = await redis.xrange(keys.track(partition, id), "-", "+");
    const frames = entries.map(([, fields]) => readFrame(fields[fields.indexOf("frame") + 1] ?? ""))
      .filter((frame) => frame !== undefined);
    for (const kind of ["status", "courier"] as const) {
      const found = frames.filter((frame) => frame.kind === kind);
      const oldest = expected.isRedisWiped === true ? found[0]?.version ?? 0 : 0;
      const wanted = changes.filter((one) => one.kind === kind && one.version >= oldest);
      if (textOf(found) === textOf(wanted)) continue;
      details.push(
        `the ${kind} frames of the track of ${id} are [${textOf(found)}], not [${textOf(wanted)}]`,
      );
    }
  }
  return details;
}

function textOf(changes: readonly Change[]): string {
  return changes.map(({ version, what }) => `${version} ${what}`).join(", ");
}

function readFrame(json: string): Change | undefined {
  const frame = JSON.parse(json) as {
    type: string;
    version?: number;
    status?: string;
    courier?: unknown;
  };
  const version = frame.version ?? 0;
  if (frame.type === "status") return { kind: "status", version, what: frame.status ?? "" };
  if (frame.type !== "courier") return undefined;
  const what = frame.courier === null ? "assignment.ended" : "assignment.created";
  return { kind: "courier", version, what };
}
