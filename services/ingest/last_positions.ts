import type { Fix } from "shared/availability/fix.ts";
import { pause } from "shared/clock/timeout.ts";
import type { Log } from "shared/log/log.ts";
import type { Sql } from "shared/sql/connect.ts";
import { fixOf } from "./fix_of.ts";

/** How old the copy in Postgres may be: it only helps when Redis is lost. */
const FLUSH_MS = 15_000;
const MAX_ROWS = 5_000;

/**
 * A fix that stays in memory until the next flush. It is written over in place: ten thousand new
 * objects a second that each live for seconds would all end among the old ones of the heap.
 */
class Noted {
  readonly #courierId: string;
  #lat = NaN;
  #lon = NaN;
  /** NaN for what the phone did not say; so too below. */
  #accuracyM = NaN;
  #headingDeg = NaN;
  #speedMps = NaN;
  #recordedAtMs = NaN;
  #receivedAtMs = NaN;

  constructor(courierId: string) {
    this.#courierId = courierId;
  }

  set(fix: Fix, receivedAtMs: number): void {
    this.#lat = fix.lat;
    this.#lon = fix.lon;
    this.#accuracyM = fix.accuracyM ?? NaN;
    this.#headingDeg = fix.headingDeg ?? NaN;
    this.#speedMps = fix.speedMps ?? NaN;
    this.#recordedAtMs = fix.recordedAtMs;
    this.#receivedAtMs = receivedAtMs;
  }

  get position(): LastPosition {
    const place = { lat: this.#lat, lon: this.#lon, recordedAtMs: this.#recordedAtMs };
    const fix = fixOf(place, {
      accuracyM: known(this.#accuracyM),
      headingDeg: known(this.#headingDeg),
      speedMps: known(this.#speedMps),
    });
    return { courierId: this.#courierId, fix, receivedAtMs: this.#receivedAtMs };
  }
}

const known = (value: number) => Number.isNaN(value) ? undefined : value;

/** Where a courier was last heard. */
export interface LastPosition {
  readonly courierId: string;
  readonly fix: Fix;
  readonly receivedAtMs: number;
}

/** A position as it stands after it was written. */
export interface WrittenPosition {
  readonly courierId: string;
  /** Of the newest fix, which may be one that was there before. */
  readonly recordedAtMs: number;
}

/**
 * Keeps a coarse copy of each courier's newest fix in Postgres, off the request path. A flush that
 * fails keeps its fixes for the next one; newer ones replace them, so memory is bounded by the
 * number of couriers.
 */
export class LastPositions {
  readonly #sql: Sql;
  readonly #log: Log;
  #noted = new Map<string, Noted>();

  constructor(sql: Sql, log: Log) {
    this.#sql = sql;
    this.#log = log;
  }

  /** Remembers an accepted fix for the next flush. */
  note(courierId: string, fix: Fix): void {
    this.#notedOf(courierId).set(fix, Date.now());
  }

  #notedOf(courierId: string): Noted {
    let noted = this.#noted.get(courierId);
    if (noted === undefined) {
      noted = new Noted(courierId);
      this.#noted.set(courierId, noted);
    }
    return noted;
  }

  /** Flushes until the signal aborts, and once more then. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(FLUSH_MS, signal);
      await this.flush();
    }
    // What came during a flush that was under way then.
    await this.flush();
  }

  /** Writes what was noted. An older fix never replaces a newer one. */
  async flush(): Promise<void> {
    const noted = Array.from(this.#noted.values(), ({ position }) => position);
    this.#noted = new Map();
    for (let start = 0; start < noted.length; start += MAX_ROWS) {
      try {
        // Judged when they were accepted; who has left since was on shift then.
        const some = noted.slice(start, start + MAX_ROWS);
        await writeLastPositions(this.#sql, some, { onShiftOnly: false });
      } catch (error) {
        this.#log.warn("last positions not written; they are tried again", { error });
        for (const position of noted.slice(start)) {
          const { courierId, fix, receivedAtMs } = position;
          if (!this.#noted.has(courierId)) this.#notedOf(courierId).set(fix, receivedAtMs);
        }
        return;
      }
    }
  }
}

/**
 * Writes positions of couriers; an older fix leaves a newer one as it is, and says only that the
 * courier was heard.
 *
 * @param onShiftOnly leaves out couriers that are offline now.
 * @returns how each stands now, of those not left out.
 */
export async function writeLastPositions(
  sql: Sql,
  positions: readonly LastPosition[],
  { onShiftOnly }: { readonly onShiftOnly: boolean },
): Promise<WrittenPosition[]> {
  const column = <Value>(of: (position: LastPosition) => Value) => positions.map(of);
  // As in Redis: a fix from the future would outrank every true one after it.
  const recordedAt = ({ fix, receivedAtMs }: LastPosition) =>
    new Date(Math.min(fix.recordedAtMs, receivedAtMs)).toISOString();
  return [
    ...await sql<WrittenPosition[]>`
      insert into courier_last_positions as known (courier_id, lat, lon, accuracy_m, heading_deg,
        speed_mps, recorded_at, received_at)
      select heard.* from unnest(${column(({ courierId }) => courierId)}::uuid[],
          ${column(({ fix }) => fix.lat)}::float8[], ${column(({ fix }) => fix.lon)}::float8[],
          ${column(({ fix }) => fix.accuracyM ?? null)}::real[],
          ${column(({ fix }) => fix.headingDeg ?? null)}::real[],
          ${column(({ fix }) => fix.speedMps ?? null)}::real[],
          ${column(recordedAt)}::timestamptz[],
          ${column(({ receivedAtMs }) => new Date(receivedAtMs).toISOString())}::timestamptz[])
        as heard (courier_id, lat, lon, accuracy_m, heading_deg, speed_mps, recorded_at,
          received_at)
        join couriers on couriers.id = heard.courier_id
          and (not ${onShiftOnly} or couriers.status <> 'offline')
      -- One order for all who write, so that none waits for another in a circle.
      order by heard.courier_id
      on conflict (courier_id) do update set
        lat = case when excluded.recorded_at > known.recorded_at
          then excluded.lat else known.lat end,
        lon = case when excluded.recorded_at > known.recorded_at
          then excluded.lon else known.lon end,
        accuracy_m = case when excluded.recorded_at > known.recorded_at
          then excluded.accuracy_m else known.accuracy_m end,
        heading_deg = case when excluded.recorded_at > known.recorded_at
          then excluded.heading_deg else known.heading_deg end,
        speed_mps = case when excluded.recorded_at > known.recorded_at
          then excluded.speed_mps else known.speed_mps end,
        recorded_at = case when excluded.recorded_at > known.recorded_at
          then excluded.recorded_at else known.recorded_at end,
        received_at = greatest(known.received_at, excluded.received_at)
      returning courier_id, extract(epoch from recorded_at)::float8 * 1000 as recorded_at_ms`,
  ];
}

/** Notes that couriers were heard who sent no place; returns those on shift with a known one. */
export async function writeHeard(sql: Sql, courierIds: readonly string[]): Promise<string[]> {
  const rows = await sql<{ courierId: string }[]>`
    update courier_last_positions set received_at = clock_timestamp()
    from couriers
    where courier_id = any(${[...courierIds]}::uuid[]) and couriers.id = courier_id
      and couriers.status <> 'offline'
    returning courier_id`;
  return rows.map(({ courierId }) => courierId);
}
