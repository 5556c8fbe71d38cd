/**
 * The history of one partition's positions: entries of the stream in, sampled rows in Postgres.
 *
 * Contract
 * - One owner, by lease; calls are worked one after another.
 * - The rows of a batch and the entry it ends with are one transaction, under the lease; entries at
 *   or before that are passed over. So each fix is sampled once, whoever dies when. After a write
 *   that failed nobody knows whether it was committed: everything is read again then.
 * - A track is what its newest row and the fixes after it make of it. Both are stored, the row in
 *   Postgres and the fixes in the stream (which keeper does not trim that close): an owner that takes
 *   over reads them again, and goes on as its predecessor would have.
 * - Memory is bounded: a few numbers for each courier heard in the last minute.
 */
import { parseStreamedCouriers, type StreamedCourier } from "shared/availability/streamed_fixes.ts";
import { type Clock, SYSTEM_CLOCK } from "shared/clock/clock.ts";
import { isUuid } from "shared/ids/uuid.ts";
import type { Lease } from "shared/lease/lease.ts";
import { readGeneration } from "shared/redis/generation.ts";
import type { Redis } from "shared/redis/connect.ts";
import type { Sql } from "shared/sql/connect.ts";
import type { StreamEntry } from "shared/streams/consumer.ts";
import { compareIds } from "shared/streams/trim.ts";
import type { KeeperMetrics } from "./metrics.ts";
import {
  closeStretch,
  type CourierTrack,
  newTrack,
  sampleFix,
  setCarrying,
  STANDING_INTERVAL_MS,
  trackFrom,
} from "./position_sampler.ts";
import {
  ensureDays,
  findProgress,
  type HistoryPlace,
  nextDayMs,
  PositionRows,
  type Progress,
  readCarrying,
  readNewestRows,
  writeHistory,
} from "./position_store.ts";

/** How old what it knows of who carries may be. */
const REFRESH_MS = 2_000;
/** A courier that is silent for this long: its newest fix becomes a row. */
const SETTLE_AFTER_MS = 15_000;
/** And for this long: it is forgotten. What it says next begins a new line. */
const FORGET_AFTER_MS = 60_000;
/** More couriers than a partition has; beyond it the ones silent for longest are forgotten. */
const MAX_TRACKS = 100_000;
/** How far before its progress an owner reads again: the longest stretch without a row, and lag. */
export const WARM_MS = 2 * STANDING_INTERVAL_MS;
const WARM_PAGE = 200;
/** A phone's clock may be behind, and its fixes late; ingest takes them for two days. */
const MAX_DELAY_MS = 48 * 3_600_000;

/** One entry of the positions stream. */
export interface PositionsEntry {
  readonly id: string;
  readonly couriers: readonly StreamedCourier[];
}

/** Reads an entry. @throws TypeError for junk. */
export function parsePositionsEntry({ id, fields }: StreamEntry): PositionsEntry {
  return { id, couriers: parseStreamedCouriers(fields) };
}

export interface RecorderOptions {
  readonly sql: Sql;
  readonly redis: Redis;
  readonly stream: string;
  readonly place: HistoryPlace;
  readonly lease: Lease;
  readonly metrics: KeeperMetrics;
  readonly clock?: Clock;
}

/** Tracks that a batch has touched; they replace the known ones once it is written. */
type Draft = Map<string, CourierTrack>;

export class PositionRecorder {
  readonly #options: RecorderOptions;
  readonly #clock: Clock;
  /** By courier, the one silent for longest first. */
  readonly #tracks = new Map<string, CourierTrack>();
  #carrying: ReadonlySet<string> = new Set();
  #refreshAtMs = -Infinity;
  #progress: Progress = { generation: 0, entryId: "0-0" };
  /** Rows of moments in between have a partition. */
  #ensuredFromMs = Infinity;
  #ensuredToMs = -Infinity;
  /** Rows of a resume that are not written yet. */
  #owed = new PositionRows();
  /** While it is not known what stands in Postgres: before it was read, and after a failed write. */
  #isUnsure = true;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
  }

  /** How many couriers it keeps in memory. */
  get trackCount(): number {
    return this.#tracks.size;
  }

  /** Goes to where the history of the partition stands. Call it before the first entries. */
  async resume(): Promise<void> {
    await this.#inTurn(() => this.#resume());
  }

  async #resume(): Promise<void> {
    this.#tracks.clear();
    this.#owed = new PositionRows();
    this.#isUnsure = true;
    this.#progress = { generation: 0, entryId: "0-0" };
    this.#refreshAtMs = -Infinity;
    await this.#refresh();
    const progress = await findProgress(this.#options.sql, this.#options.place);
    if (progress?.generation === this.#progress.generation) await this.#readBack(progress);
    this.#isUnsure = false;
  }

  async #readBack(progress: Progress): Promise<void> {
    const { redis, stream } = this.#options;
    this.#progress = progress;
    const sinceMs = Math.max(0, Number.parseInt(progress.entryId) - WARM_MS);
    let from = `${sinceMs}-0`;
    while (true) {
      const page = await redis.xrange(stream, from, progress.entryId, "COUNT", WARM_PAGE);
      const couriers = page.flatMap(([, flat]) => couriersOf(flat));
      await this.#findRows(couriers, sinceMs);
      for (const courier of couriers) this.#replay(courier);
      const last = page.at(-1)?.[0];
      if (last === undefined || page.length < WARM_PAGE) return;
      from = `(${last}`;
    }
  }

  async #findRows(couriers: readonly StreamedCourier[], sinceMs: number): Promise<void> {
    const unknown = new Set<string>();
    for (const { courierId } of couriers) {
      if (!this.#tracks.has(courierId) && isUuid(courierId)) unknown.add(courierId);
    }
    if (unknown.size === 0) return;
    const nowMs = this.#clock.nowMs();
    const rows = await readNewestRows(this.#options.sql, [...unknown], sinceMs - MAX_DELAY_MS);
    for (const { courierId, row, markedAtMs } of rows) {
      const track = trackFrom(row, markedAtMs);
      track.touchedAtMs = nowMs;
      this.#tracks.set(courierId, track);
    }
  }

  /**
   * What came after the newest row of each courier made no row, and makes none now, unless the courier
   * carries meanwhile and did not then: such a row goes with the next ones.
   */
  #replay(courier: StreamedCourier): void {
    const sink = sinkOf(this.#owed, courier.courierId);
    const track = this.#tracks.get(courier.courierId);
    if (track?.row === undefined) return;
    for (const fix of courier.fixes) {
      if (fix.recordedAtMs === track.row.recordedAtMs) {
        // Postgres has it to the centimetre; to go on alike, it must be what it was.
        track.row = fix;
        track.newest = fix;
        track.isCarrying = this.#isCarrying(courier);
      } else if (fix.recordedAtMs > Math.max(track.row.recordedAtMs, track.markedAtMs)) {
        setCarrying(track, this.#isCarrying(courier), sink);
        sampleFix(track, fix, sink);
      }
    }
  }

  /** Whoever is busy has as many orders as it can carry; others may have one all the same. */
  #isCarrying({ courierId, status }: StreamedCourier): boolean {
    return status === "busy" || this.#carrying.has(courierId);
  }

  /** Records entries, in the order of the stream: all of them or none. */
  async record(entries: readonly PositionsEntry[]): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#isUnsure) await this.#resume();
      await this.#refresh();
      const fresh = entries.filter(({ id }) => compareIds(id, this.#progress.entryId) > 0);
      const last = fresh.at(-1);
      if (last === undefined) return;
      const draft: Draft = new Map();
      const rows = this.#owed;
      let fixes = 0;
      this.#isUnsure = true;
      for (const { couriers } of fresh) {
        for (const courier of couriers) fixes += this.#sample(draft, rows, courier);
      }
      await this.#write({ rows, fixes, entryId: last.id });
      for (const [courierId, track] of draft) {
        // At the end of the map: heard last.
        this.#tracks.delete(courierId);
        this.#tracks.set(courierId, track);
      }
      this.#options.metrics.historyLag.set(
        Math.max(0, Date.now() - Number.parseInt(fresh[0]?.id ?? "0")) / 1_000,
      );
      this.#options.metrics.historyFixes.inc(fixes);
    });
  }

  /** Makes rows of the newest fixes of couriers that fell silent, and forgets who is so for long. */
  async settle(): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#isUnsure) return;
      const nowMs = this.#clock.nowMs();
      const draft: Draft = new Map();
      const rows = this.#owed;
      const forgotten: string[] = [];
      let excess = this.#tracks.size - MAX_TRACKS;
      for (const [courierId, known] of this.#tracks) {
        const silentMs = nowMs - known.touchedAtMs;
        if (silentMs < SETTLE_AFTER_MS && excess <= 0) break;
        const track = { ...known };
        if (closeStretch(track, sinkOf(rows, courierId))) draft.set(courierId, track);
        if (silentMs >= FORGET_AFTER_MS || excess > 0) forgotten.push(courierId);
        excess--;
      }
      if (rows.count > 0) {
        this.#isUnsure = true;
        await this.#write({ rows, fixes: 0, entryId: this.#progress.entryId });
      }
      for (const [courierId, track] of draft) this.#tracks.set(courierId, track);
      for (const courierId of forgotten) this.#tracks.delete(courierId);
    });
  }

  async #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#queue.then(work);
    this.#queue = turn.catch(() => {}); // Its caller hears of it; who waits behind goes on.
    await turn;
  }

  /** Reads which generation Redis is in, and who carries where that is not fresh. */
  async #refresh(): Promise<void> {
    const nowMs = this.#clock.nowMs();
    const { sql, place } = this.#options;
    const isFresh = nowMs < this.#refreshAtMs;
    const [generation, carrying] = await Promise.all([
      readGeneration(sql),
      isFresh ? this.#carrying : readCarrying(sql, place),
    ]);
    // Another Redis: its entries may have smaller ids, and have not been read.
    if (generation !== this.#progress.generation) {
      this.#progress = { generation, entryId: "0-0" };
    }
    if (isFresh) return;
    this.#carrying = carrying;
    this.#refreshAtMs = nowMs + REFRESH_MS;
  }

  #sample(draft: Draft, rows: PositionRows, courier: StreamedCourier): number {
    const { courierId, fixes } = courier;
    if (fixes.length === 0) return 0;
    let track = draft.get(courierId);
    if (track === undefined) {
      const known = this.#tracks.get(courierId);
      track = known === undefined ? newTrack() : { ...known };
      track.touchedAtMs = this.#clock.nowMs();
      draft.set(courierId, track);
    }
    const sink = sinkOf(rows, courierId);
    setCarrying(track, this.#isCarrying(courier), sink);
    for (const fix of fixes) sampleFix(track, fix, sink);
    return fixes.length;
  }

  async #write(
    { rows, fixes, entryId }: {
      readonly rows: PositionRows;
      readonly fixes: number;
      readonly entryId: string;
    },
  ): Promise<void> {
    const { sql, lease, place, metrics } = this.#options;
    await this.#ensurePartitions(rows);
    const progress = { generation: this.#progress.generation, entryId };
    try {
      metrics.historyRows.inc(await writeHistory(sql, lease, { place, rows, fixes, progress }));
    } catch (error) {
      // A partition may have been dropped since it was made.
      this.#ensuredFromMs = Infinity;
      throw error;
    }
    this.#progress = progress;
    this.#owed = new PositionRows();
    this.#isUnsure = false;
  }

  async #ensurePartitions({ span }: PositionRows): Promise<void> {
    if (span === undefined) return;
    const { firstMs, lastMs } = span;
    if (firstMs >= this.#ensuredFromMs && lastMs < this.#ensuredToMs) return;
    await ensureDays(this.#options.sql, firstMs, lastMs);
    this.#ensuredFromMs = firstMs;
    this.#ensuredToMs = nextDayMs(lastMs);
  }
}

/** None where the entry is junk: it was parked when it was read. */
function couriersOf(flat: readonly string[]): StreamedCourier[] {
  const fields: Record<string, string> = {};
  for (let at = 0; at + 1 < flat.length; at += 2) fields[flat[at] ?? ""] = flat[at + 1] ?? "";
  try {
    return parseStreamedCouriers(fields);
  } catch (error) {
    if (error instanceof TypeError || error instanceof SyntaxError) return [];
    throw error;
  }
}

function sinkOf(rows: PositionRows, courierId: string) {
  return (...row: Parameters<Parameters<typeof sampleFix>[2]>) => rows.add(courierId, ...row);
}
