import type { Log } from "shared/log/log.ts";
import { pause } from "shared/clock/timeout.ts";
import { parseEnvelope } from "shared/events/envelope.ts";
import type { Queryable, Sql } from "shared/sql/connect.ts";
import type { Statement } from "shared/sql/template.ts";
import type { LiveCouriers } from "./live_couriers.ts";
import type { CourierFilter, CourierProfile } from "./nearest_couriers.ts";

/** A part of a statement. */
type SqlPart = Statement<readonly object[]>;

/** How soon a courier that an event told of is read again. */
const READ_MS = 100;
/** What no event tells (a courier's fleet) is known after this at the latest. */
const RELOAD_MS = 60_000;
/** Ids of one read. */
const MAX_READ = 5_000;

/** The columns of a `CourierProfile`, of couriers `c`. */
export function profileColumns(sql: Queryable): SqlPart {
  return sql`c.id, c.vehicle, c.capacity, c.active_assignments, c.skills, c.rating, c.fleet,
    c.status, c.version`;
}

/** A filter as a condition on couriers `c`; the same rule as `fits`. */
export function filterSql(sql: Queryable, filter: CourierFilter): SqlPart {
  const { vehicles, skills, minRating, minFreeCapacity, fleet } = filter;
  return sql`(${vehicles === undefined} or c.vehicle = any(${[...vehicles ?? []]}::text[]))
    and c.skills @> ${[...skills ?? []]}::text[]
    and c.rating >= ${minRating ?? 0}::real
    and c.capacity - c.active_assignments >= ${minFreeCapacity ?? -1}::integer
    and (${fleet === undefined} or c.fleet = ${fleet ?? null}::uuid)`;
}

export interface ProfilesOptions {
  readonly sql: Sql;
  readonly region: string;
  readonly shard: number;
  readonly live: LiveCouriers;
  readonly log: Log;
}

/**
 * Keeps the profiles of a partition's couriers current in memory: all who are on shift at first,
 * then those that events name or that are heard for the first time, and all of them each minute.
 * What cannot be read stays noted; meanwhile the older profile counts.
 */
export class CourierProfiles {
  readonly #options: ProfilesOptions;
  #unread = new Set<string>();
  #reloadAtMs = -Infinity;

  constructor(options: ProfilesOptions) {
    this.#options = options;
  }

  /** Reads a courier before long. */
  want(courierId: string): void {
    this.#unread.add(courierId);
  }

  /** Takes in an entry of the partition's event stream. @throws for what is no event. */
  noteEvent(text: string): void {
    const event = parseEnvelope(text);
    if (event?.type === "courier.availability_changed") {
      const { courierId, status, courierVersion: version, activeAssignments } = event.data;
      this.#options.live.noteStatus({ courierId, status, version, activeAssignments });
      this.want(courierId);
    } else if (event?.type === "order.rated" && event.data.subject === "courier") {
      this.want(event.data.subjectId);
    }
  }

  /** Reads everybody on shift. */
  async load(): Promise<void> {
    const { sql, region, shard, live } = this.#options;
    const rows = await sql<CourierProfile[]>`
      select ${profileColumns(sql)} from couriers c
      where c.region = ${region} and c.shard = ${shard} and c.status <> 'offline'`;
    for (const profile of rows) live.noteProfile(profile);
    this.#reloadAtMs = performance.now() + RELOAD_MS;
  }

  /** Reads those that were noted. */
  async read(): Promise<void> {
    const ids = [...this.#unread].slice(0, MAX_READ);
    if (ids.length === 0) return;
    const { sql, region, shard, live } = this.#options;
    for (const id of ids) this.#unread.delete(id);
    try {
      const rows = await sql<CourierProfile[]>`
        select ${profileColumns(sql)} from couriers c
        where c.id = any(${ids}::uuid[]) and c.region = ${region} and c.shard = ${shard}`;
      for (const profile of rows) live.noteProfile(profile);
    } catch (error) {
      for (const id of ids) this.#unread.add(id);
      throw error;
    }
  }

  /** Reads what becomes due until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    let isFailing = false;
    while (!signal.aborted) {
      await pause(READ_MS, signal);
      try {
        if (performance.now() >= this.#reloadAtMs) await this.load();
        await this.read();
        isFailing = false;
      } catch (error) {
        const { log } = this.#options;
        if (!isFailing) log.warn("cannot read couriers; it is tried again", { error });
        isFailing = true;
      }
    }
  }
}
