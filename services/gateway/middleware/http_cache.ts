/**
 * What caches on the way may keep. One table decides for every route: what is listed is the same
 * for everybody and may be kept; everything else is private and is not stored anywhere.
 */
import type { MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import type { Cache, CacheKind } from "shared/cache/cache.ts";
import { JWKS_MAX_AGE_S } from "shared/auth/signing_keys.ts";
import { pathOf, queryOf } from "shared/service/path_of.ts";
import type { GatewayContext, GatewayEnv } from "../http.ts";

/** How one route may be kept. */
interface PublicRule {
  readonly cacheControl: string;
  /** Names by which a CDN forgets answers: of the kind, and of the thing where the path names it. */
  readonly kind: string;
  readonly param?: string;
  /** How long the gateways keep the answer for each other; not at all where absent. */
  readonly keptMs?: number;
}

/** What is kept of an answer: it is the same for everybody. */
interface KeptAnswer {
  readonly body: string;
  readonly type: string;
}

/** Behind a CDN this is what its nodes ask for; without one it is what protects Postgres. */
const KEPT_MS = 30_000;
const ANSWERS: CacheKind = { name: "answer", maxCharacters: 256 * 1024 };
/** A longer query is answered without being kept. */
const MAX_QUERY_CHARACTERS = 300;

/** Catalogues change rarely, and a stale one is better than none. */
const CATALOGUE =
  "public, s-maxage=30, max-age=0, stale-while-revalidate=300, stale-if-error=86400";
/** Pages name no version in their path, so browsers ask again after a minute. */
const PAGE = "public, max-age=60, stale-while-revalidate=600";
/** The streets of a running gateway do not change; a new city file comes with a restart. */
const MAP = "public, max-age=3600, s-maxage=86400";
/** Changes with a release only. */
const REFERENCE = "public, max-age=300, s-maxage=3600";

/** By route template, as the router spells it. */
export const PUBLIC_ROUTES: Readonly<Record<string, PublicRule>> = {
  "/": { cacheControl: PAGE, kind: "console" },
  "/t/:orderId": { cacheControl: PAGE, kind: "console" },
  "/favicon.ico": { cacheControl: PAGE, kind: "console" },
  "/assets/:name": { cacheControl: PAGE, kind: "console" },
  "/api/v1/map/:regionId": { cacheControl: MAP, kind: "map", param: "regionId" },
  "/api/v1/openapi.json": { cacheControl: REFERENCE, kind: "openapi" },
  "/api/v1/docs": { cacheControl: REFERENCE, kind: "openapi" },
  "/api/v1/docs/reference.css": { cacheControl: REFERENCE, kind: "openapi" },
  "/.well-known/jwks.json": { cacheControl: `public, max-age=${JWKS_MAX_AGE_S}`, kind: "jwks" },
  "/api/v1/regions": { cacheControl: CATALOGUE, kind: "regions" },
  "/api/v1/categories": { cacheControl: CATALOGUE, kind: "merchants", keptMs: KEPT_MS },
  "/api/v1/merchants": { cacheControl: CATALOGUE, kind: "merchants", keptMs: KEPT_MS },
  "/api/v1/merchants/:id": {
    cacheControl: CATALOGUE,
    kind: "merchants",
    param: "id",
    keptMs: KEPT_MS,
  },
  "/api/v1/merchants/:id/menu": {
    cacheControl: CATALOGUE,
    kind: "menus",
    param: "id",
    keptMs: KEPT_MS,
  },
};

/** Of everything that is not listed. */
export const PRIVATE = "private, no-store";

/** Sets Cache-Control, surrogate keys and ETag, and answers 304 to who has it already. */
export function httpCache(cache: Cache): MiddlewareHandler<GatewayEnv> {
  return async (c, next) => {
    const isRead = c.req.method === "GET" || c.req.method === "HEAD";
    const rule = isRead ? PUBLIC_ROUTES[routePath(c, -1)] : undefined;
    if (rule?.keptMs === undefined) await next();
    else await answerFromCache(c, next, { cache, keptMs: rule.keptMs });
    // On the answer itself: the framework's way makes a new answer of it, and a stream of its text.
    if (rule === undefined || c.res.status !== 200) c.res.headers.set("cache-control", PRIVATE);
    else await describePublic(c, rule);
  };
}

/** Answers from the cache, or lets the route answer and keeps that. */
async function answerFromCache(
  c: GatewayContext,
  next: () => Promise<void>,
  { cache, keptMs }: { readonly cache: Cache; readonly keptMs: number },
): Promise<void> {
  const query = queryOf(c.req.url);
  if (`${query}`.length > MAX_QUERY_CHARACTERS) return await next();
  query.sort();
  const { value, result } = await cache.read<KeptAnswer>(
    ANSWERS,
    `${pathOf(c.req.url)}?${query}`,
    async () => {
      await next();
      if (c.res.status !== 200) return undefined;
      const type = c.res.headers.get("content-type") ?? "application/json";
      return { value: { body: await c.res.clone().text(), type }, version: 0, ttlMs: keptMs };
    },
  );
  // Another request's route may have answered, for this one too or with a refusal.
  if (!c.finalized && value === undefined) return await next();
  if (!c.finalized && value !== undefined) {
    c.res = new Response(value.body, { headers: { "content-type": value.type } });
  }
  if (c.res.status === 200) c.header("x-cache", result);
}

async function describePublic(c: GatewayContext, rule: PublicRule): Promise<void> {
  c.header("cache-control", rule.cacheControl);
  const keys = keysOf(c, rule);
  // Fastly and Varnish read the first, Cloudflare and Deno Deploy the second.
  c.header("surrogate-key", keys.join(" "));
  c.header("cache-tag", keys.join(","));
  await answerConditionally(c);
}

function keysOf(c: GatewayContext, { kind, param }: PublicRule): string[] {
  // From the path itself: an answer from the cache has not reached the route that parses it.
  const part = routePath(c, -1).split("/").indexOf(`:${param}`);
  const name = part < 0 ? undefined : c.req.path.split("/")[part];
  return name === undefined ? [kind] : [kind, `${kind}-${name}`];
}

async function answerConditionally(c: GatewayContext): Promise<void> {
  const etag = c.res.headers.get("etag") ?? await tagBody(c);
  c.header("etag", etag);
  const wanted = c.req.header("if-none-match");
  if (wanted === undefined || !matchesTag(wanted, etag)) return;
  const headers = new Headers(c.res.headers);
  for (const name of ["content-type", "content-encoding", "content-length"]) headers.delete(name);
  await c.res.body?.cancel();
  c.res = undefined;
  c.res = new Response(null, { status: 304, headers });
}

/** Tags the answer by its bytes; the body has to be read for that and is put back. */
async function tagBody(c: GatewayContext): Promise<string> {
  const body = await c.res.arrayBuffer();
  const { status, headers } = c.res;
  c.res = new Response(body, { status, headers });
  return await strongTag(body);
}

/** A strong entity tag: equal bytes, equal tag (RFC 9110 §8.8.3). */
export async function strongTag(bytes: BufferSource): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return `"${btoa(String.fromCharCode(...digest.subarray(0, 18)))}"`;
}

/**
 * If-None-Match, which compares weakly (RFC 9110 §13.1.2): a server that compresses an answer makes
 * its tag weak, and the client sends it back so.
 */
export function matchesTag(ifNoneMatch: string, etag: string): boolean {
  if (ifNoneMatch.trim() === "*") return true;
  const bare = (tag: string) => tag.trim().replace(/^W\//, "");
  return ifNoneMatch.split(",").some((tag) => bare(tag) === bare(etag));
}
