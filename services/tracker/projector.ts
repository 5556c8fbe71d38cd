/**
 * Turns events and fixes of one partition into frames of tracks and of couriers' channels.
 *
 * Contract: one owner per partition, for events and positions together, so that the map of carried
 * orders is right for both. Everything may be repeated: track frames are deduplicated by version
 * in the log's script; channel messages are hints, and a courier that missed one asks again.
 */
import type { Envelope } from "shared/events/catalogue.ts";
import type { StreamedCourier, StreamedFix } from "shared/availability/streamed_fixes.ts";
import { isTerminal, type OrderState } from "shared/orders/lifecycle.ts";
import { listPendingOffers } from "shared/orders/offer_view.ts";
import type { OrderPosition } from "shared/availability/order_positions.ts";
import type { Redis } from "shared/redis/connect.ts";
import { type Partition, partitionOf, type RedisKeys } from "shared/redis/keys.ts";
import type { Sql } from "shared/sql/connect.ts";
import type { CarriedOrders } from "./carried_orders.ts";
import type { TrackerMetrics } from "./metrics.ts";
import { readCourier } from "./snapshot.ts";
import type { TrackLog } from "./track_log.ts";

export interface ProjectorDeps {
  readonly sql: Sql;
  readonly redis: Redis;
  readonly keys: RedisKeys;
  readonly trackLog: TrackLog;
  readonly carried: CarriedOrders;
  readonly metrics: TrackerMetrics;
  readonly partition: Partition;
}

/** Projects one event. */
export async function projectEvent(deps: ProjectorDeps, event: Envelope): Promise<void> {
  switch (event.type) {
    case "order.status_changed": {
      const { orderId, orderVersion, to } = event.data;
      const body = { type: "status", at: event.occurredAt, version: orderVersion, status: to };
      const ended = isTerminal(to as OrderState) ? { ended: to } : {};
      await append(deps, orderId, { kind: "status", version: orderVersion, body, ...ended });
      const courierId = deps.carried.courierOf(orderId);
      if (courierId === undefined) return;
      return await tell(deps, courierId, { type: "order.status", orderId, status: to });
    }
    case "assignment.created":
      return await projectAssigned(deps, event);
    case "assignment.ended": {
      const { courierId, orderId, orderVersion, reason } = event.data;
      deps.carried.remove(courierId, orderId);
      const body = { type: "courier", at: event.occurredAt, version: orderVersion, courier: null };
      await append(deps, orderId, { kind: "courier", version: orderVersion, body });
      return await tell(deps, courierId, { type: "assignment.ended", orderId, reason });
    }
    case "offer.made": {
      const { courierId, offerId } = event.data;
      const offer = (await listPendingOffers(deps.sql, courierId)).find(({ id }) => id === offerId);
      // Answered or over before it was told: then there is nothing to ask.
      if (offer === undefined) return;
      return await tell(deps, courierId, { type: "offer.made", offer });
    }
    case "offer.accepted":
    case "offer.rejected":
    case "offer.expired":
    case "offer.withdrawn": {
      const { courierId, offerId, orderId } = event.data;
      const reason = event.type.slice("offer.".length);
      return await tell(deps, courierId, { type: "offer.closed", offerId, orderId, reason });
    }
    default:
      return;
  }
}

async function projectAssigned(
  deps: ProjectorDeps,
  event: Extract<Envelope, { type: "assignment.created" }>,
): Promise<void> {
  const { courierId, orderId, orderVersion, assignmentId } = event.data;
  const sinceMs = Date.parse(event.occurredAt);
  deps.carried.add(courierId, { orderId, partition: deps.partition, sinceMs });
  const courier = await readCourier(deps.sql, courierId);
  const body = {
    type: "courier",
    at: event.occurredAt,
    version: orderVersion,
    courier: courier ?? null,
  };
  await append(deps, orderId, { kind: "courier", version: orderVersion, body, courierId });
  await tell(deps, courierId, { type: "assignment.created", orderId, assignmentId });
}

/** Projects the fixes of one flush onto the tracks of what their couriers carry. */
export async function projectFixes(
  deps: ProjectorDeps,
  couriers: readonly StreamedCourier[],
): Promise<void> {
  await Promise.all(
    couriers.flatMap(({ courierId, fixes }) =>
      fixes.filter(({ code }) => code === "accepted").map((fix) => projectFix(deps, courierId, fix))
    ),
  );
}

async function projectFix(
  deps: ProjectorDeps,
  courierId: string,
  { recordedAtMs, fix: { recordedAtMs: _saidAtMs, ...place } }: StreamedFix,
): Promise<void> {
  const position = { ...place, recordedAt: new Date(recordedAtMs).toISOString() };
  await Promise.all(
    deps.carried.of(courierId).map(async ({ orderId, partition, sinceMs }) => {
      // After an outage the backlog holds fixes from before: of other customers, or of nobody.
      if (recordedAtMs < sinceMs) return;
      const frame = {
        kind: "position",
        version: recordedAtMs,
        courierId,
        body: { type: "position", position },
      } as const;
      if (await deps.trackLog.append(partition, orderId, frame)) {
        deps.metrics.frames.inc({ kind: "position" });
      }
    }),
  );
}

/** Projects where orders themselves are: devices that travel with them, and the robot. */
export async function projectOrderPositions(
  deps: ProjectorDeps,
  positions: readonly OrderPosition[],
): Promise<void> {
  await Promise.all(positions.map(async ({ orderId, source, fix }) => {
    const { recordedAtMs, ...place } = fix;
    const position = { ...place, recordedAt: new Date(recordedAtMs).toISOString() };
    if (source === "device") {
      const body = { type: "parcel_position", position };
      return await append(deps, orderId, { kind: "parcel", version: recordedAtMs, body });
    }
    const courierId = deps.carried.courierOf(orderId);
    if (courierId === undefined) return;
    const body = { type: "position", position };
    await append(deps, orderId, { kind: "position", version: recordedAtMs, body, courierId });
  }));
}

async function append(
  deps: ProjectorDeps,
  orderId: string,
  frame: Parameters<TrackLog["append"]>[2],
): Promise<void> {
  const isNew = await deps.trackLog.append(deps.partition, orderId, frame);
  if (isNew) deps.metrics.frames.inc({ kind: frame.kind });
}

async function tell(
  deps: ProjectorDeps,
  courierId: string,
  message: Readonly<Record<string, unknown>>,
): Promise<void> {
  const [courier] = await deps.sql<{ region: string; shard: number }[]>`
    select region, shard from couriers where id = ${courierId}`;
  if (courier === undefined) return;
  const partition = partitionOf(courier.region, courier.shard);
  await deps.redis.publish(deps.keys.courierChannel(partition, courierId), JSON.stringify(message));
}
