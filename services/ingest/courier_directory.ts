import { type Bounds, boundsOf } from "shared/geo/area.ts";
import { EARTH_RADIUS_M } from "shared/geo/point.ts";
import { MAX_SPEED_MPS, REGION_MARGIN_M } from "shared/availability/cleaning.ts";
import type { Fix } from "shared/availability/fix.ts";
import type { CourierStatus } from "shared/orders/rows.ts";
import { type Partition, partitionOf } from "shared/redis/keys.ts";
import type { Sql } from "shared/sql/connect.ts";
import type { Vehicle } from "shared/streets/vehicle.ts";

/** What every fix of a courier is judged by. */
export interface CourierEntry {
  readonly id: string;
  readonly partition: Partition;
  /** What the courier cannot be faster than, times the demo's speed. */
  readonly maxSpeedMps: number;
  /** The region's bounding box, with its margin. */
  readonly bounds: Bounds;
}

/** A courier as Postgres has it now. */
export interface CourierFacts {
  readonly entry: CourierEntry;
  readonly status: CourierStatus;
  readonly version: number;
  /** Where it was when Postgres last heard of it. */
  readonly lastFix: Fix | undefined;
}

/** Entries remembered. All are dropped beyond it, and read again as they are needed. */
const MAX_REMEMBERED = 100_000;
/** A courier may change its vehicle, and a region its area; a partition is for life. */
const REMEMBER_MS = 10 * 60_000;

const METRES_PER_DEGREE = Math.PI / 180 * EARTH_RADIUS_M;

interface CourierRow {
  readonly region: string;
  readonly shard: number;
  readonly status: CourierStatus;
  readonly version: number;
  readonly vehicle: Vehicle;
  readonly area: readonly (readonly [number, number])[];
  readonly lat: number | null;
  readonly lon: number | null;
  readonly recordedAt: Date | null;
}

/** Where each courier belongs. Status is read from Postgres each time it is asked for. */
export class CourierDirectory {
  readonly #sql: Sql;
  readonly #speed: number;
  readonly #now: () => number;
  readonly #remembered = new Map<string, { readonly entry: CourierEntry; untilMs: number }>();

  /** @param speed how much faster the demo's couriers move. */
  constructor(sql: Sql, speed = 1, now: () => number = () => performance.now()) {
    this.#sql = sql;
    this.#speed = speed;
    this.#now = now;
  }

  /** The courier's entry where it is remembered, without waiting. */
  peek(courierId: string): CourierEntry | undefined {
    const remembered = this.#remembered.get(courierId);
    return remembered !== undefined && this.#now() < remembered.untilMs
      ? remembered.entry
      : undefined;
  }

  /** The courier's entry; undefined for an unknown courier. */
  async find(courierId: string): Promise<CourierEntry | undefined> {
    const entry = this.peek(courierId);
    if (entry !== undefined) return entry;
    try {
      return (await this.read(courierId))?.entry;
    } catch (error) {
      // What was right ten minutes ago is better than no answer.
      const old = this.#remembered.get(courierId);
      if (old === undefined) throw error;
      return old.entry;
    }
  }

  /** The courier as Postgres has it now. */
  async read(courierId: string): Promise<CourierFacts | undefined> {
    const [row] = await this.#sql<CourierRow[]>`
      select c.region, c.shard, c.status, c.version, c.vehicle, r.area, p.lat, p.lon, p.recorded_at
      from couriers c join regions r on r.id = c.region
        left join courier_last_positions p on p.courier_id = c.id
      where c.id = ${courierId}`;
    if (row === undefined) return undefined;
    const entry: CourierEntry = {
      id: courierId,
      partition: partitionOf(row.region, row.shard),
      maxSpeedMps: MAX_SPEED_MPS[row.vehicle] * this.#speed,
      bounds: withMargin(boundsOf(row.area.map(([lat, lon]) => ({ lat, lon })))),
    };
    if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear();
    this.#remembered.set(courierId, { entry, untilMs: this.#now() + REMEMBER_MS });
    const { lat, lon, recordedAt } = row;
    const lastFix = lat === null || lon === null || recordedAt === null
      ? undefined
      : { lat, lon, recordedAtMs: recordedAt.getTime() };
    return { entry, status: row.status, version: row.version, lastFix };
  }
}

/** A box that is wider by the margin on all sides; round the Earth where it reaches so far. */
function withMargin({ south, west, north, east }: Bounds): Bounds {
  const lat = REGION_MARGIN_M / METRES_PER_DEGREE;
  const farthestLat = Math.min(89, Math.max(Math.abs(south), Math.abs(north)) + lat);
  const lon = lat / Math.cos(farthestLat * Math.PI / 180);
  return { south: south - lat, west: west - lon, north: north + lat, east: east + lon };
}
