/** Couriers on shift with a session each. */
import { createToken, hashToken } from "shared/auth/token.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { DEFAULT_REGION_POLICY } from "shared/regions/region.ts";
import { connectSql, type Sql } from "shared/sql/connect.ts";
import { MIDDLE, REGION, type Sender } from "./settings.ts";

/** Half the side of the region, in degrees of latitude and of longitude. */
const HALF_LAT = 0.3;
const HALF_LON = 0.55;

/**
 * Seeds, and works with the file of those who were seeded, which is removed then.
 *
 * @param isBusy which of them are assigned as many orders as they can carry (the assignments only:
 *   nobody watches these orders); none unless said.
 */
export async function withCouriers(
  databaseUrl: string,
  count: number,
  work: (sendersFile: string) => Promise<void>,
  isBusy: (courier: number) => boolean = () => false,
): Promise<void> {
  const sql = connectSql(databaseUrl, { applicationName: "bench", max: 2 });
  const senders = await seedCouriers(sql, count, isBusy).finally(() => sql.end({ timeout: 5 }));
  const file = await Deno.makeTempFile({ prefix: "hexmile-bench-", suffix: ".json" });
  try {
    await Deno.writeTextFile(file, JSON.stringify(senders));
    await work(file);
  } finally {
    await Deno.remove(file);
  }
}

async function seedCouriers(
  sql: Sql,
  count: number,
  isBusy: (courier: number) => boolean,
): Promise<Sender[]> {
  const { lat, lon } = MIDDLE;
  const area = [
    [lat - HALF_LAT, lon - HALF_LON],
    [lat + HALF_LAT, lon - HALF_LON],
    [lat + HALF_LAT, lon + HALF_LON],
    [lat - HALF_LAT, lon + HALF_LON],
  ];
  await sql`
    insert into regions (id, name, time_zone, currency, area, policy)
    values (${REGION}, 'Bench', 'UTC', 'SEK', ${sql.json(area)},
      ${sql.json(DEFAULT_REGION_POLICY)})`;
  const senders = Array.from({ length: count }, () => ({ id: uuidv7(), token: createToken() }));
  const ids = senders.map(({ id }) => id);
  const statuses = ids.map((_, courier) => isBusy(courier) ? "busy" : "available");
  const hashes = await Promise.all(senders.map(({ token }) => hashToken(token)));
  await sql`
    insert into accounts (id, role, name, email, password_hash)
    select id, 'courier', 'Bench courier', id || '@bench.example', 'none'
    from unnest(${ids}::uuid[]) id`;
  await sql`
    insert into couriers (id, region, shard, vehicle, status, version)
    select id, ${REGION}, 0, 'car', status, 1
    from unnest(${ids}::uuid[], ${statuses}::text[]) courier (id, status)`;
  await sql`
    insert into sessions (account_id, token_hash, expires_at)
    select id, hash, clock_timestamp() + interval '1 day'
    from unnest(${ids}::uuid[], ${hashes}::bytea[]) session (id, hash)`;
  const busyIds = ids.filter((_, courier) => isBusy(courier));
  await sql`
    insert into assignments (id, order_id, courier_id, created_at)
    select gen_random_uuid(), gen_random_uuid(), id, clock_timestamp() - interval '1 hour'
    from unnest(${busyIds}::uuid[]) id`;
  await sql`analyze`;
  return senders;
}
