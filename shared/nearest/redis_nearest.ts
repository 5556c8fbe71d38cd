/** The nearest couriers by what all processes share: the geo set in Redis. */
import { HIDDEN_AFTER_MS } from "shared/availability/cleaning.ts";
import { HEARD_LUA, NOW } from "shared/availability/courier_state.ts";
import { distanceM } from "shared/geo/distance.ts";
import type { Point } from "shared/geo/point.ts";
import type { Redis } from "shared/redis/connect.ts";
import type { Partition, RedisKeys } from "shared/redis/keys.ts";
import { runScript, type Script } from "shared/redis/script.ts";
import type { Queryable } from "shared/sql/connect.ts";
import { filterSql, profileColumns } from "./courier_profiles.ts";
import {
  type CourierProfile,
  isEmptyFilter,
  type NearestCourier,
  type NearestQuery,
  rank,
} from "./nearest_couriers.ts";

/** Couriers that Postgres may know to be no longer available, and more have to be asked for. */
const SPARE = 16;
/** Asked for where a filter will leave out some: Redis is blocked for about a millisecond. */
const FILTERED_CANDIDATES = 1_000;
/** Members looked at until enough are fresh; the sweep leaves few that are not. */
const MAX_SCANNED = 4_000;
/** Redis's Earth is larger than ours (6,372,797.56 m), so its metres are longer by 0.03 %. */
const RADIUS_FACTOR = 1.0003;

/**
 * The nearest fresh members of the geo set, in one round trip. The sweep hides the silent every few
 * seconds; here they are left out to the millisecond.
 *
 * KEYS 1 geo, 2 couriers · ARGV 1 lon, 2 lat, 3 radius (m), 4 how many, 5 most members to look at
 * Returns 1 where that is all there is (else 0), then id, lon, lat, ms since heard of each, the
 * nearest first.
 */
const NEAREST_FRESH: Script = {
  name: "nearest_fresh",
  lua: `${NOW}
${HEARD_LUA}
local wanted, most = tonumber(ARGV[4]), tonumber(ARGV[5])
local count, members, fresh = wanted
while true do
  if count > most then count = most end
  members = redis.call('GEOSEARCH', KEYS[1], 'FROMLONLAT', ARGV[1], ARGV[2],
    'BYRADIUS', ARGV[3], 'm', 'ASC', 'COUNT', count, 'WITHCOORD')
  fresh = { 1 }
  for start = 1, #members, 500 do
    local ids = {}
    for at = start, math.min(start + 499, #members) do ids[#ids + 1] = members[at][1] end
    local states = redis.call('HMGET', KEYS[2], unpack(ids))
    for at = 1, #ids do
      local age = states[at] and now - heard_at(states[at])
      if age and age < ${HIDDEN_AFTER_MS} and #fresh < 4 * wanted then
        local place = members[start + at - 1][2]
        local next_at = #fresh
        fresh[next_at + 1], fresh[next_at + 2] = ids[at], place[1]
        fresh[next_at + 3], fresh[next_at + 4] = place[2], string.format('%.0f', age)
      end
    end
  end
  if #fresh > 4 * wanted or count == most then
    fresh[1] = 0
    return fresh
  end
  if #members < count then return fresh end
  count = count * 4
end`,
};

/** What Redis knows near a place, of each partition that was asked. */
export type Candidates = readonly {
  /** Nobody else is within the radius. */
  readonly isAll: boolean;
  /** The nearest first. */
  readonly heard: readonly Candidate[];
}[];

interface Candidate {
  readonly id: string;
  readonly position: Point;
  readonly heardAgoMs: number;
}

/** The answer, and whether nothing nearer may be missing from it. */
export interface SharedAnswer {
  readonly couriers: readonly NearestCourier[];
  readonly isWhole: boolean;
}

/**
 * Asks Redis once for each partition, all at the same time. Places are those of the geo set: within
 * a metre of what the courier reported.
 */
export async function findCandidates(
  redis: Redis,
  keys: RedisKeys,
  partitions: readonly Partition[],
  { center, radiusM, limit, filter }: NearestQuery,
): Promise<Candidates> {
  const wanted = isEmptyFilter(filter) ? limit + SPARE : FILTERED_CANDIDATES;
  const args = [center.lon, center.lat, radiusM * RADIUS_FACTOR, wanted, MAX_SCANNED];
  return await Promise.all(partitions.map(async (partition) => {
    const own = [keys.couriersGeo(partition), keys.couriers(partition)];
    // Written by our own script.
    return readReply(await runScript(redis, NEAREST_FRESH, own, args) as [number, ...string[]]);
  }));
}

/** Asks Postgres what the candidates are, and keeps those who fit. */
export async function rankCandidates(
  sql: Queryable,
  candidates: Candidates,
  query: NearestQuery,
): Promise<SharedAnswer> {
  const { center, radiusM, limit } = query;
  const heard = candidates.flatMap((partition) => partition.heard);
  const profiles = await readProfiles(sql, heard.map(({ id }) => id), query);
  const couriers = rank(
    heard.flatMap(({ id, ...where }) => {
      const profile = profiles.get(id);
      return profile === undefined ? [] : [{ ...where, profile }];
    }),
    query,
  );
  // A partition that was cut off is known as far as its last candidate.
  const knownToM = Math.min(...candidates.map((partition) => {
    if (partition.isAll) return Infinity;
    const last = partition.heard.at(-1);
    return last === undefined ? 0 : distanceM(center, last.position);
  }));
  const reachM = couriers.length === limit ? couriers.at(-1)?.distanceM ?? 0 : radiusM;
  return { couriers, isWhole: reachM <= knownToM };
}

function readReply([isAll, ...flat]: [number, ...string[]]): Candidates[number] {
  const heard: Candidate[] = [];
  for (let at = 0; at + 3 < flat.length; at += 4) {
    const [id = "", lon, lat, heardAgoMs] = flat.slice(at, at + 4);
    const position = { lat: Number(lat), lon: Number(lon) };
    heard.push({ id, position, heardAgoMs: Number(heardAgoMs) });
  }
  return { isAll: isAll === 1, heard };
}

async function readProfiles(
  sql: Queryable,
  ids: readonly string[],
  { filter }: NearestQuery,
): Promise<Map<string, CourierProfile>> {
  if (ids.length === 0) return new Map();
  const rows = await sql<CourierProfile[]>`
    select ${profileColumns(sql)} from couriers c
    where c.id = any(${[...ids]}::uuid[]) and c.status = 'available' and ${filterSql(sql, filter)}`;
  return new Map(rows.map((profile) => [profile.id, profile]));
}
