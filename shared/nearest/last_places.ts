/** Places from Postgres, for when Redis is away: ingest writes them there each second then. */
import { HIDDEN_AFTER_MS } from "shared/availability/cleaning.ts";
import { boxesAround } from "shared/geo/around.ts";
import { EARTH_RADIUS_M } from "shared/geo/point.ts";
import type { Queryable } from "shared/sql/connect.ts";
import { filterSql, profileColumns } from "./courier_profiles.ts";
import type { LiveCouriers } from "./live_couriers.ts";
import {
  type CourierProfile,
  type NearestCourier,
  type NearestQuery,
  rank,
} from "./nearest_couriers.ts";

interface PlaceRow {
  readonly lat: number;
  readonly lon: number;
  readonly heardAgoMs: number;
}

/** Takes places that are newer than what the stream told before it went away. */
export async function takeLastPlaces(
  sql: Queryable,
  { region, shard }: { readonly region: string; readonly shard: number },
  live: LiveCouriers,
): Promise<void> {
  const startedAtMs = performance.now();
  const rows = await sql<(PlaceRow & { courierId: string })[]>`
    select p.courier_id, p.lat, p.lon,
      (extract(epoch from clock_timestamp() - p.received_at) * 1000)::float8 as heard_ago_ms
    from courier_last_positions p join couriers c on c.id = p.courier_id
    where c.region = ${region} and c.shard = ${shard} and c.status = 'available'
      and p.received_at > clock_timestamp() - ${HIDDEN_AFTER_MS} * interval '1 millisecond'`;
  for (const { courierId, lat, lon, heardAgoMs } of rows) {
    const receivedAtMs = startedAtMs - heardAgoMs;
    live.note(courierId, { point: { lat, lon }, receivedAtMs, isReturning: false });
  }
}

/**
 * The nearest couriers of a region by Postgres alone. Exact by what it knows: while Redis works a
 * place is up to 15 s old here, and heartbeats are not written.
 */
export async function nearestByPostgres(
  sql: Queryable,
  region: string,
  query: NearestQuery,
): Promise<NearestCourier[]> {
  const { center, radiusM, limit, filter } = query;
  const boxes = boxesAround(center, radiusM);
  const column = (side: "south" | "north" | "west" | "east") => boxes.map((box) => box[side]);
  // The haversine of the angle orders as the distance does; `rank` decides what is at the edge.
  const farthest = Math.sin(radiusM / EARTH_RADIUS_M / 2) ** 2 * (1 + 1e-9) + 1e-15;
  const rows = await sql<(CourierProfile & PlaceRow)[]>`
    with heard as (
      select ${profileColumns(sql)}, p.lat, p.lon,
        (extract(epoch from clock_timestamp() - p.received_at) * 1000)::float8 as heard_ago_ms,
        power(sin(radians(p.lat - ${center.lat}::float8) / 2), 2)
          + cos(radians(${center.lat}::float8)) * cos(radians(p.lat))
          * power(sin(radians(p.lon - ${center.lon}::float8) / 2), 2) as haversine
      from courier_last_positions p join couriers c on c.id = p.courier_id
      where c.region = ${region} and c.status = 'available' and ${filterSql(sql, filter)}
        and p.received_at > clock_timestamp() - ${HIDDEN_AFTER_MS} * interval '1 millisecond'
        and exists (
          select 1 from unnest(${column("south")}::float8[], ${column("north")}::float8[],
            ${column("west")}::float8[], ${column("east")}::float8[])
            as box (south, north, west, east)
          where p.lat between south and north and p.lon between west and east
        )
    )
    select * from heard where haversine <= ${farthest}::float8
    order by haversine, id limit ${limit}`;
  return rank(
    rows.map(({ lat, lon, heardAgoMs, ...profile }) => ({
      profile: profileOf(profile),
      position: { lat, lon },
      heardAgoMs: Math.max(0, heardAgoMs),
    })),
    query,
  );
}

/** The profile alone, of a row that has more. */
function profileOf(row: CourierProfile): CourierProfile {
  const { id, vehicle, capacity, activeAssignments, skills, rating, fleet, status, version } = row;
  return { id, vehicle, capacity, activeAssignments, skills, rating, fleet, status, version };
}
