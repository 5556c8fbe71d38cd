import type { Zone } from "shared/pricing/zone.ts";
import type { Sql } from "shared/sql/connect.ts";
import { listZones } from "./stores/zone_store.ts";

/** How long a changed fee may take to reach the other processes. */
const CACHE_MS = 10_000;

/** Zones by region with a short memory: every order asks for them, and they change rarely. */
export class Zones {
  readonly #sql: Sql;
  readonly #now: () => number;
  // As many entries as there are regions.
  readonly #cached = new Map<string, { zones: Promise<readonly Zone[]>; untilMs: number }>();

  constructor(sql: Sql, now: () => number = () => performance.now()) {
    this.#sql = sql;
    this.#now = now;
  }

  async of(regionId: string): Promise<readonly Zone[]> {
    const known = this.#cached.get(regionId);
    if (known !== undefined && this.#now() < known.untilMs) return await known.zones;
    const zones = listZones(this.#sql, regionId);
    const entry = { zones, untilMs: this.#now() + CACHE_MS };
    this.#cached.set(regionId, entry);
    // A failed read must not be remembered.
    zones.catch(() => {
      if (this.#cached.get(regionId) === entry) this.#cached.delete(regionId);
    });
    return await zones;
  }

  /** Makes this process see at once what it has just written. */
  forget(regionId: string): void {
    this.#cached.delete(regionId);
  }
}
