/** Finding merchants: by place, by name, by words. Every query is bounded and has its index. */
import { boxesAround } from "shared/geo/around.ts";
import { EARTH_RADIUS_M, type Point } from "shared/geo/point.ts";
import type { Queryable, Tx } from "shared/sql/connect.ts";
import type { Statement } from "shared/sql/template.ts";
import { type Merchant, merchantColumns, merchantOf, type MerchantRow } from "./merchant_store.ts";

/** A found merchant; `distanceM` where a place was given. */
export type FoundMerchant = Merchant & { readonly distanceM?: number };

export interface Around {
  readonly point: Point;
  readonly radiusM: number;
}

interface Filters {
  readonly regionId?: string | undefined;
  /** Without regard to upper and lower case. */
  readonly category?: string | undefined;
}

/** The last entry of the page before. */
export interface After<Key> {
  readonly key: Key;
  readonly id: string;
}

/**
 * Merchants within the radius, the nearest first: exact by great-circle distance. The index gives
 * those in the boxes around the circle; their number is the town's, not the table's.
 */
export async function listNearby(
  sql: Queryable,
  around: Around,
  query: Filters & { readonly limit: number; readonly after?: After<number> | undefined },
): Promise<FoundMerchant[]> {
  const { after } = query;
  const rows = await sql<(MerchantRow & { distanceM: number })[]>`
    select * from (
      select ${merchantColumns(sql)}, ${distanceTo(sql, around.point)} as distance_m
      from merchants m join regions r on r.id = m.region
      where m.archived_at is null and ${isInBoxes(sql, around)} ${filtered(sql, query)}
    ) found
    where distance_m <= ${around.radiusM}
      ${after === undefined ? sql`` : sql`and (distance_m, id) > (${after.key}, ${after.id})`}
    order by distance_m, id limit ${query.limit}`;
  return rows.map(merchantOf);
}

/** Merchants by name. */
export async function listByName(
  sql: Queryable,
  query: Filters & { readonly limit: number; readonly after?: After<string> | undefined },
): Promise<FoundMerchant[]> {
  const { after } = query;
  const rows = await sql<MerchantRow[]>`
    select ${merchantColumns(sql)} from merchants m join regions r on r.id = m.region
    where m.archived_at is null ${filtered(sql, query)}
      ${after === undefined ? sql`` : sql`and (m.name, m.id) > (${after.key}, ${after.id})`}
    order by m.name, m.id limit ${query.limit}`;
  return rows.map(merchantOf);
}

/** Candidates of each index that a search ranks; a word that fits more is not a good question. */
const MAX_CANDIDATES = 2_000;
/** A trigram index cannot look for less inside a word; shorter words are compared as beginnings. */
const HAS_INSIDE = /[\p{L}\p{N}]{3}/u;
/**
 * How alike words must be (pg_trgm.word_similarity_threshold). Two letters that changed places cost
 * a word of six almost half its trigrams; in short words that much would fit nearly everything.
 */
const LIKENESS = { ofShort: 0.6, ofLong: 0.4 };
const LONG_CHARACTERS = 5;
/** A dish that fits counts a little less than a name that does. */
const ITEM_WEIGHT = 0.9;

export interface SearchQuery extends Filters {
  readonly words: string;
  readonly around?: Around | undefined;
  readonly limit: number;
}

/**
 * The merchants whose name, category or menu fits the words best: by likeness of trigrams, so that
 * parts of words and small misspellings are found in any language; then by distance, then by id. The
 * transaction is for the setting of the likeness.
 */
export async function searchMerchants(
  sql: Tx,
  query: SearchQuery,
): Promise<FoundMerchant[]> {
  const { words, around } = query;
  const likeness = [...words].length < LONG_CHARACTERS ? LIKENESS.ofShort : LIKENESS.ofLong;
  await sql`
    select set_config('pg_trgm.word_similarity_threshold', ${String(likeness)}, true)`;
  const place = around === undefined ? sql`` : sql`and ${isInBoxes(sql, around)}`;
  const distance = around === undefined ? sql`null::float8` : distanceTo(sql, around.point);
  const rows = await sql<(MerchantRow & { distanceM: number | null; score: number })[]>`
    with fits as (
      (select m.id, word_similarity(${words}, m.name || ' ' || m.category) as score
        from merchants m
        where m.archived_at is null ${place} ${filtered(sql, query)}
          and ${fitsWords(sql, sql`(m.name || ' ' || m.category)`, words)}
        limit ${MAX_CANDIDATES})
      union all
      (select m.id, ${ITEM_WEIGHT} * word_similarity(${words}, i.name)
        from menu_items i join merchants m on m.id = i.merchant_id
        where m.archived_at is null ${place} ${filtered(sql, query)}
          and ${fitsWords(sql, sql`i.name`, words)}
        limit ${MAX_CANDIDATES})
    ), best as (select id, max(score) as score from fits group by id)
    select * from (
      select ${merchantColumns(sql)}, best.score, ${distance} as distance_m
      from best join merchants m on m.id = best.id join regions r on r.id = m.region
    ) found
    ${around === undefined ? sql`` : sql`where distance_m <= ${around.radiusM}`}
    order by score desc, distance_m, id limit ${query.limit}`;
  return rows.map(({ score: _score, distanceM, ...row }) => ({
    ...merchantOf(row),
    ...(distanceM === null ? {} : { distanceM }),
  }));
}

export interface CategoryCount {
  readonly name: string;
  readonly merchants: number;
}

const MAX_CATEGORIES = 200;

/** What merchants call themselves, the most used first; spellings that differ in case are one. */
export async function listCategories(
  sql: Queryable,
  query: { readonly regionId?: string | undefined },
): Promise<CategoryCount[]> {
  return await sql<CategoryCount[]>`
    select min(m.category) as name, count(*)::int as merchants from merchants m
    where m.archived_at is null ${filtered(sql, query)}
    group by lower(m.category) order by count(*) desc, 1 limit ${MAX_CATEGORIES}`;
}

function filtered(sql: Queryable, { regionId, category }: Filters) {
  return sql`
    ${regionId === undefined ? sql`` : sql`and m.region = ${regionId}`}
    ${category === undefined ? sql`` : sql`and lower(m.category) = lower(${category})`}`;
}

function fitsWords(sql: Queryable, text: Statement<readonly object[]>, words: string) {
  const isLike = sql`${words} <% ${text}`;
  if (!HAS_INSIDE.test(words)) return isLike;
  const pattern = `%${words.replaceAll(/[\\%_]/g, "\\$&")}%`;
  return sql`(${isLike} or ${text} ilike ${pattern})`;
}

/** Degrees as the index has them: x is the longitude. */
function isInBoxes(sql: Queryable, { point, radiusM }: Around) {
  const [first, second] = boxesAround(point, radiusM).map(({ south, west, north, east }) =>
    sql`point(m.lon, m.lat) <@ box(point(${west}, ${south}), point(${east}, ${north}))`
  );
  return second === undefined ? sql`(${first})` : sql`(${first} or ${second})`;
}

/** The haversine formula of shared/geo, on the sphere of the whole house. */
function distanceTo(sql: Queryable, { lat, lon }: Point) {
  return sql`(2 * ${EARTH_RADIUS_M}::float8 * asin(least(1, sqrt(
    sin(radians(m.lat - ${lat}) / 2) ^ 2 + cos(radians(${lat}::float8)) * cos(radians(m.lat))
      * sin(radians(m.lon - ${lon}) / 2) ^ 2))))`;
}
