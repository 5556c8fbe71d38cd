/** Couriers with all kinds of profiles, told to Postgres and Redis at once, and as a plain list. */
import { Availability, type Heard } from "shared/availability/availability.ts";
import { HIDDEN_AFTER_MS, MAX_SPEED_MPS } from "shared/availability/cleaning.ts";
import { distanceM } from "shared/geo/distance.ts";
import type { Point } from "shared/geo/point.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import {
  type CourierFilter,
  type CourierProfile,
  fits,
  type NearestQuery,
} from "shared/nearest/nearest_couriers.ts";
import { COURIER_STATUSES } from "shared/orders/rows.ts";
import { VEHICLES } from "shared/streets/vehicle.ts";
import { REGION } from "./fixtures.ts";
import { PARTITION } from "./outbox.ts";
import type { TestStores } from "./stores.ts";

const SKILLS = ["food", "medicine", "heavy"] as const;

export interface ModelCourier {
  readonly profile: CourierProfile;
  position: Point;
}

/** As fixes are kept: to 1e-7 of a degree. */
export function keptPoint({ lat, lon }: Point): Point {
  const kept = (degrees: number) => Math.round(degrees * 1e7) / 1e7;
  return { lat: kept(lat), lon: kept(lon) };
}

export function pickOf<Item>(random: () => number, items: readonly Item[]): Item {
  return items[Math.floor(random() * items.length)] as Item;
}

/** Any filter: mostly of one thing, sometimes of nothing or of much. */
export function randomFilter(random: () => number): CourierFilter {
  const maybe = <Value>(share: number, value: () => Value) =>
    random() < share ? value() : undefined;
  return {
    vehicles: maybe(0.4, () => [pickOf(random, VEHICLES), pickOf(random, VEHICLES)]),
    skills: maybe(0.3, () => [pickOf(random, SKILLS)]),
    minRating: maybe(0.3, () => pickOf(random, [1, 4.2, 4.7])),
    minFreeCapacity: maybe(0.2, () => pickOf(random, [1, 2])),
  };
}

function randomProfile(random: () => number, id: string): CourierProfile {
  const status = random() < 0.8 ? "available" : pickOf(random, COURIER_STATUSES);
  const capacity = 1 + Math.floor(random() * 3);
  return {
    id,
    vehicle: pickOf(random, VEHICLES),
    capacity,
    activeAssignments: status === "busy" ? capacity : Math.floor(random() * capacity),
    skills: SKILLS.filter(() => random() < 0.4),
    rating: pickOf(random, [3.9, 4.2, 4.7, 5]),
    fleet: null,
    status,
    version: 1,
  };
}

/** Adds couriers at these places, heard just now by everybody. */
export async function addCouriers(
  stores: TestStores,
  random: () => number,
  places: readonly Point[],
): Promise<ModelCourier[]> {
  const couriers = places.map((place) => ({
    profile: randomProfile(random, uuidv7()),
    position: keptPoint(place),
  }));
  await insertProfiles(stores, couriers.map(({ profile }) => profile));
  const availability = new Availability(stores.redis, stores.keys, PARTITION);
  for (const { profile } of couriers) {
    await availability.applyStatus(profile.id, profile.status, profile.version);
  }
  await hear(stores, couriers);
  return couriers;
}

async function insertProfiles(
  { sql }: TestStores,
  profiles: readonly CourierProfile[],
): Promise<void> {
  const column = <Value>(of: (profile: CourierProfile) => Value) => profiles.map(of);
  const ids = column(({ id }) => id);
  await sql`
    insert into accounts (id, role, name, email, password_hash)
    select id, 'courier', 'Test courier', id || '@test.example', 'none'
    from unnest(${ids}::uuid[]) id`;
  await sql`
    insert into couriers (id, region, shard, vehicle, capacity, active_assignments, skills, rating,
      status, version)
    select id, ${REGION}, 0, vehicle, capacity, active, string_to_array(nullif(skills, ''), ','),
      rating, status, version
    from unnest(${ids}::uuid[], ${column(({ vehicle }) => vehicle)}::text[],
      ${column(({ capacity }) => capacity)}::int[],
      ${column(({ activeAssignments }) => activeAssignments)}::int[],
      ${column(({ skills }) => skills.join() || "none")}::text[],
      ${column(({ rating }) => rating)}::float8[], ${column(({ status }) => status)}::text[],
      ${column(({ version }) => version)}::int[])
      as courier (id, vehicle, capacity, active, skills, rating, status, version)`;
}

/** Lets couriers be heard where they are: by Redis, and by the copy in Postgres. */
export async function hear(stores: TestStores, couriers: readonly ModelCourier[]): Promise<void> {
  const availability = new Availability(stores.redis, stores.keys, PARTITION);
  const nowMs = Date.now();
  const groups = couriers.map(({ profile, position }): Heard => ({
    courierId: profile.id,
    maxSpeedMps: MAX_SPEED_MPS.car,
    fixes: [{ ...position, recordedAtMs: nowMs }],
  }));
  for (let start = 0; start < groups.length; start += 200) {
    await availability.applyHeard(groups.slice(start, start + 200));
  }
  const column = <Value>(of: (courier: ModelCourier) => Value) => couriers.map(of);
  await stores.sql`
    insert into courier_last_positions (courier_id, lat, lon, recorded_at, received_at)
    select id, lat, lon, clock_timestamp(), clock_timestamp()
    from unnest(${column(({ profile }) => profile.id)}::uuid[],
      ${column(({ position }) => position.lat)}::float8[],
      ${column(({ position }) => position.lon)}::float8[]) as heard (id, lat, lon)
    on conflict (courier_id) do update set lat = excluded.lat, lon = excluded.lon,
      recorded_at = excluded.recorded_at, received_at = excluded.received_at`;
}

export interface Neighbour {
  readonly id: string;
  readonly distanceM: number;
}

/** The same search over the list: what every source must answer. */
export function neighboursOf(
  couriers: readonly ModelCourier[],
  { center, radiusM, limit, filter }: NearestQuery,
): Neighbour[] {
  return couriers
    .filter(({ profile }) => profile.status === "available" && fits(profile, filter))
    .map(({ profile, position }) => ({ id: profile.id, distanceM: distanceM(center, position) }))
    .filter((neighbour) => neighbour.distanceM <= radiusM)
    .sort((a, b) => a.distanceM - b.distanceM || (a.id < b.id ? -1 : 1))
    .slice(0, limit);
}

/** Lets a courier have been silent for as long as hides it, for Postgres. */
export async function silenceInPostgres({ sql }: TestStores, courierId: string): Promise<void> {
  await sql`
    update courier_last_positions
    set received_at = clock_timestamp() - ${HIDDEN_AFTER_MS} * interval '1 millisecond'
    where courier_id = ${courierId}`;
}
