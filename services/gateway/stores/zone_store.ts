import { type Zone, type ZoneFees, zoneFeesSchema } from "shared/pricing/zone.ts";
import type { Queryable, Tx } from "shared/sql/connect.ts";

/** Every order of a region looks at its zones, and they stay in memory. */
export const MAX_ZONES_PER_REGION = 200;

/** A zone with what only its editors see. */
export interface StoredZone extends Zone {
  readonly region: string;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

interface ZoneRow extends Omit<StoredZone, "ring" | "fees"> {
  readonly ring: readonly (readonly [number, number])[];
  readonly fees: unknown;
}

function zoneOf({ ring, fees, ...row }: ZoneRow): StoredZone {
  return {
    ...row,
    ring: ring.map(([lat, lon]) => ({ lat, lon })),
    fees: zoneFeesSchema.parse(fees),
  };
}

/** The zones of a region, the first that counts first. */
export async function listZones(sql: Queryable, regionId: string): Promise<StoredZone[]> {
  const rows = await sql<ZoneRow[]>`
    select id, region, name, ring, priority, fees, created_at, updated_at from zones
    where region = ${regionId} order by priority desc, id limit ${MAX_ZONES_PER_REGION}`;
  return rows.map(zoneOf);
}

export async function findZone(sql: Queryable, id: string): Promise<StoredZone | undefined> {
  const rows = await sql<ZoneRow[]>`
    select id, region, name, ring, priority, fees, created_at, updated_at from zones
    where id = ${id}`;
  return rows[0] === undefined ? undefined : zoneOf(rows[0]);
}

/** Adds a zone; false when the region has as many as it may. */
export async function insertZone(
  tx: Tx,
  zone: Zone & { readonly region: string },
): Promise<boolean> {
  // Locked, so that two at once cannot pass the bound.
  await tx`select 1 from regions where id = ${zone.region} for no key update`;
  const [count] = await tx<{ zones: number }[]>`
    select count(*)::int as zones from zones where region = ${zone.region}`;
  if ((count?.zones ?? 0) >= MAX_ZONES_PER_REGION) return false;
  await tx`
    insert into zones (id, region, name, ring, priority, fees)
    values (${zone.id}, ${zone.region}, ${zone.name},
      ${tx.json(zone.ring.map(({ lat, lon }) => [lat, lon]))}, ${zone.priority},
      ${tx.json(zone.fees)})`;
  return true;
}

/** Writes a whole zone; false when there is none. */
export async function replaceZone(sql: Queryable, zone: Zone): Promise<boolean> {
  const fees: ZoneFees = zone.fees;
  const rows = await sql`
    update zones set name = ${zone.name},
      ring = ${sql.json(zone.ring.map(({ lat, lon }) => [lat, lon]))},
      priority = ${zone.priority}, fees = ${sql.json(fees)}, updated_at = clock_timestamp()
    where id = ${zone.id} returning 1`;
  return rows.length > 0;
}

/** Whether there was one to remove. */
export async function deleteZone(sql: Queryable, id: string): Promise<boolean> {
  const rows = await sql`delete from zones where id = ${id} returning 1`;
  return rows.length > 0;
}
