import { askAheadMs } from "shared/cache/ask_ahead.ts";
import { type Bounds, boundsOf } from "shared/geo/area.ts";
import { EARTH_RADIUS_M } from "shared/geo/point.ts";
import { MAX_SPEED_MPS, REGION_MARGIN_M } from "shared/availability/cleaning.ts";
import type { Fix } from "shared/availability/fix.ts";
import type { CourierStatus } from "shared/orders/rows.ts";
import { type Partition, partitionOf } from "shared/redis/keys.ts";
import type { Sql } from "shared/sql/connect.ts";
import type { Vehicle } from "shared/streets/vehicle.ts";
import { QueueFullError } from "./fix_batcher.ts";

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

/** In one statement; some milliseconds. */
const MAX_READ = 500;
/** Who wait for one; each is a request that is under way. */
const MAX_WAITING = 20_000;

interface Remembered {
  readonly entry: CourierEntry;
  readonly untilMs: number;
  /** From then on it is read again by the way; Infinity while that is under way. */
  askAgainAtMs: number;
}

interface Waiting {
  readonly courierId: string;
  resolve(facts: CourierFacts | undefined): void;
  reject(error: unknown): void;
}

interface CourierRow {
  readonly id: string;
  readonly region: string;
  readonly shard: number;
  readonly status: CourierStatus;
  readonly version: number;
  readonly vehicle: Vehicle;
  readonly area: readonly (readonly [number, number])[];
}

interface PositionRow {
  readonly courierId: string;
  readonly lat: number;
  readonly lon: number;
  readonly recordedAt: Date;
}

export interface CourierDirectoryOptions {
  /** How much faster the demo's couriers move. */
  readonly speed?: number;
  /** Milliseconds of a clock that never jumps. */
  readonly now?: () => number;
  /** In [0, 1). */
  readonly random?: () => number;
}

/**
 * Where each courier belongs. Status is read from Postgres each time it is asked for.
 *
 * An entry in use is read again before its time ends, at a moment of its own, and no fix waits for
 * that: after a restart all couriers are read within seconds, and so they would be ten minutes
 * later.
 */
export class CourierDirectory {
  readonly #sql: Sql;
  readonly #speed: number;
  readonly #now: () => number;
  readonly #random: () => number;
  readonly #remembered = new Map<string, Remembered>();
  readonly #waiting: Waiting[] = [];
  #isReading = false;

  constructor(sql: Sql, { speed = 1, now, random }: CourierDirectoryOptions = {}) {
    this.#sql = sql;
    this.#speed = speed;
    this.#now = now ?? (() => performance.now());
    this.#random = random ?? Math.random;
  }

  /** The courier's entry where it is remembered, without waiting. */
  peek(courierId: string): CourierEntry | undefined {
    const remembered = this.#remembered.get(courierId);
    if (remembered === undefined) return undefined;
    const nowMs = this.#now();
    if (nowMs >= remembered.untilMs) return undefined;
    if (nowMs >= remembered.askAgainAtMs) void this.#askAhead(remembered);
    return remembered.entry;
  }

  /** Never rejects. Not before those who wait: then there is no room in the next statement. */
  async #askAhead(remembered: Remembered): Promise<void> {
    if (this.#waiting.length >= MAX_READ) return;
    remembered.askAgainAtMs = Infinity;
    try {
      await this.read(remembered.entry.id);
    } catch {
      // Whoever comes next asks again.
      remembered.askAgainAtMs = this.#now();
    }
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

  /**
   * The courier as Postgres has it now. Who asks while a statement is under way goes into the next
   * one, so that thousands of phones that come at once cost a few statements.
   *
   * @throws QueueFullError at the bound, and what Postgres throws.
   */
  read(courierId: string): Promise<CourierFacts | undefined> {
    if (this.#waiting.length >= MAX_WAITING) {
      return Promise.reject(new QueueFullError(`couriers to look up must be <= ${MAX_WAITING}`));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ courierId, resolve, reject });
      if (!this.#isReading) void this.#readWaiting();
    });
  }

  /** Never rejects: a failure goes to those whom it concerns. */
  async #readWaiting(): Promise<void> {
    this.#isReading = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, MAX_READ);
      try {
        const facts = await this.#readMany(batch.map(({ courierId }) => courierId));
        for (const { courierId, resolve } of batch) resolve(facts.get(courierId));
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#isReading = false;
  }

  /**
   * Two statements and no join of the two tables: a plan that was made while no position was known
   * would read all of them for each courier.
   */
  async #readMany(courierIds: readonly string[]): Promise<Map<string, CourierFacts>> {
    const ids = [...courierIds];
    const [couriers, positions] = await Promise.all([
      this.#sql<CourierRow[]>`
        select c.id, c.region, c.shard, c.status, c.version, c.vehicle, r.area
        from couriers c join regions r on r.id = c.region
        where c.id = any(${ids}::uuid[])`,
      this.#sql<PositionRow[]>`
        select courier_id, lat, lon, recorded_at from courier_last_positions
        where courier_id = any(${ids}::uuid[])`,
    ]);
    const lastFixes = new Map(positions.map(({ courierId, lat, lon, recordedAt }) => {
      const fix: Fix = { lat, lon, recordedAtMs: recordedAt.getTime() };
      return [courierId, fix];
    }));
    return new Map(
      couriers.map((row) => {
        const { id, status, version } = row;
        return [id, { entry: this.#remember(row), status, version, lastFix: lastFixes.get(id) }];
      }),
    );
  }

  #remember(row: CourierRow): CourierEntry {
    const entry: CourierEntry = {
      id: row.id,
      partition: partitionOf(row.region, row.shard),
      maxSpeedMps: MAX_SPEED_MPS[row.vehicle] * this.#speed,
      bounds: withMargin(boundsOf(row.area.map(([lat, lon]) => ({ lat, lon })))),
    };
    if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear();
    const nowMs = this.#now();
    const askAgainAtMs = nowMs + askAheadMs(REMEMBER_MS, this.#random());
    this.#remembered.set(row.id, { entry, untilMs: nowMs + REMEMBER_MS, askAgainAtMs });
    return entry;
  }
}

/** A box that is wider by the margin on all sides; round the Earth where it reaches so far. */
function withMargin({ south, west, north, east }: Bounds): Bounds {
  const lat = REGION_MARGIN_M / METRES_PER_DEGREE;
  const farthestLat = Math.min(89, Math.max(Math.abs(south), Math.abs(north)) + lat);
  const lon = lat / Math.cos(farthestLat * Math.PI / 180);
  return { south: south - lat, west: west - lon, north: north + lat, east: east + lon };
}
