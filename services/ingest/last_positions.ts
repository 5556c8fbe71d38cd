import type { Fix } from "shared/availability/fix.ts";
import { pause } from "shared/clock/timeout.ts";
import type { Log } from "shared/log/log.ts";
import type { Sql } from "shared/sql/connect.ts";
import { fixOf } from "./fix_of.ts";

/**
 * The rest between two flushes. The copy only helps when Redis is lost, and may be 15 s old: a flush
 * of 30,000 couriers takes some 4 s.
 */
const FLUSH_MS = 7_000;
/** Of one statement. To put the texts of thousands together stops every fix for that long. */
const MAX_ROWS = 500;
/** After a full one: what it left behind is collected while it is young. */
const BREATH_MS = 50;

/** Numbers kept of a fix; NaN for what the phone did not say. */
const NUMBERS = 7;
const FIRST_CAPACITY = 64;

/**
 * The newest fix of each courier until the next flush. Numbers in one array, written over in place:
 * an object for each fix would end among the old ones of the heap, ten thousand a second, and one
 * for each courier is spread over eight places of memory.
 */
class NotedFixes {
  readonly #slots = new Map<string, number>();
  #numbers = new Float64Array(FIRST_CAPACITY * NUMBERS);

  get size(): number {
    return this.#slots.size;
  }

  /** Notes a fix, or leaves a newer one as it is: answers do not come in the order of the fixes. */
  set(courierId: string, fix: Fix, receivedAtMs: number): void {
    const known = this.#slots.get(courierId);
    const at = (known ?? this.#addSlot(courierId)) * NUMBERS;
    const numbers = this.#numbers;
    // As everywhere: a fix from the future would outrank every true one after it.
    const newestMs = Math.min(numbers[at + 5] ?? NaN, numbers[at + 6] ?? NaN);
    if (known !== undefined && Math.min(fix.recordedAtMs, receivedAtMs) < newestMs) return;
    numbers[at] = fix.lat;
    numbers[at + 1] = fix.lon;
    numbers[at + 2] = fix.accuracyM ?? NaN;
    numbers[at + 3] = fix.headingDeg ?? NaN;
    numbers[at + 4] = fix.speedMps ?? NaN;
    numbers[at + 5] = fix.recordedAtMs;
    numbers[at + 6] = receivedAtMs;
  }

  #addSlot(courierId: string): number {
    const slot = this.#slots.size;
    this.#slots.set(courierId, slot);
    if (slot * NUMBERS === this.#numbers.length) {
      const larger = new Float64Array(2 * this.#numbers.length);
      larger.set(this.#numbers);
      this.#numbers = larger;
    }
    return slot;
  }

  /** What was noted, so many at a time. */
  *pieces(maxRows: number): Generator<LastPosition[]> {
    let piece: LastPosition[] = [];
    for (const [courierId, slot] of this.#slots) {
      piece.push(this.#positionOf(courierId, slot));
      if (piece.length < maxRows) continue;
      yield piece;
      piece = [];
    }
    if (piece.length > 0) yield piece;
  }

  #positionOf(courierId: string, slot: number): LastPosition {
    const [lat = NaN, lon = NaN, accuracyM, headingDeg, speedMps, recordedAtMs = NaN, at = NaN] =
      this.#numbers.subarray(slot * NUMBERS, (slot + 1) * NUMBERS);
    const fix = fixOf({ lat, lon, recordedAtMs }, {
      accuracyM: known(accuracyM),
      headingDeg: known(headingDeg),
      speedMps: known(speedMps),
    });
    return { courierId, fix, receivedAtMs: at };
  }
}

const known = (value: number | undefined) => Number.isNaN(value) ? undefined : value;

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

/** Thrown for what comes after the last flush: nobody would write it any more. */
export class StoppedError extends Error {
  override readonly name = "StoppedError";
}

/**
 * Keeps a coarse copy of each courier's newest fix in Postgres, off the request path. A flush that
 * fails keeps its fixes for the next one; newer ones replace them, so memory is bounded by the
 * number of couriers. The last flush tries twice, and what comes after it is refused.
 */
export class LastPositions {
  readonly #sql: Sql;
  readonly #log: Log;
  #noted = new NotedFixes();
  #hasEnded = false;

  constructor(sql: Sql, log: Log) {
    this.#sql = sql;
    this.#log = log;
  }

  /** Remembers an accepted fix for the next flush. @throws StoppedError when there is none. */
  note(courierId: string, fix: Fix): void {
    if (this.#hasEnded) throw new StoppedError("positions are not written any more");
    this.#noted.set(courierId, fix, Date.now());
  }

  /** Flushes until the signal aborts, and once more then. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(FLUSH_MS, signal);
      await this.flush(signal);
    }
    this.#hasEnded = true;
    await this.flush(signal);
    // A deadlock or the like; there is no next time.
    if (this.#noted.size > 0) await this.flush(signal);
  }

  /**
   * Writes what was noted, piece by piece; does without rest in between when the signal aborts. An
   * older fix never replaces a newer one.
   */
  async flush(signal?: AbortSignal): Promise<void> {
    const noted = this.#noted;
    this.#noted = new NotedFixes();
    let hasFailed = false;
    for (const piece of noted.pieces(MAX_ROWS)) {
      hasFailed ||= !await this.#write(piece);
      if (hasFailed) this.#takeBack(piece);
      else if (piece.length === MAX_ROWS) await pause(BREATH_MS, signal);
    }
  }

  /** Whether it is written. */
  async #write(piece: readonly LastPosition[]): Promise<boolean> {
    try {
      // Judged when they were accepted; who has left since was on shift then.
      await writeLastPositions(this.#sql, piece, { onShiftOnly: false });
      return true;
    } catch (error) {
      this.#log.warn("last positions not written yet", { error });
      return false;
    }
  }

  #takeBack(piece: readonly LastPosition[]): void {
    for (const { courierId, fix, receivedAtMs } of piece) {
      this.#noted.set(courierId, fix, receivedAtMs);
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

/** Notes that couriers were heard who sent no place; returns those of them on shift. */
export async function writeHeard(sql: Sql, courierIds: readonly string[]): Promise<string[]> {
  const ids = [...courierIds];
  // Who has come on shift just now may be known by no place yet.
  const rows = await sql<{ id: string }[]>`
    with noted as (
      update courier_last_positions set received_at = clock_timestamp()
      from couriers
      where courier_id = any(${ids}::uuid[]) and couriers.id = courier_id
        and couriers.status <> 'offline')
    select id from couriers where id = any(${ids}::uuid[]) and status <> 'offline'`;
  return rows.map(({ id }) => id);
}
