import { createRoute, z } from "@hono/zod-openapi";
import { audit } from "shared/audit/audit.ts";
import { type Principal, ROLES } from "shared/auth/principal.ts";
import { ProblemError } from "shared/problem/problem.ts";
import { pathOf, queryOf } from "shared/service/path_of.ts";
import { access, principalOf } from "../access.ts";
import { auditedBy } from "../audit_origin.ts";
import type { GatewayDeps } from "../deps.ts";
import { answers, createRoutes, type GatewayContext, problems } from "../http.ts";
import { stretchesOf, toCsv, toGeoJson, toGpx } from "../location_formats.ts";
import {
  courierLocationQuery,
  featuresSchema,
  type LocationFormat,
  locationQuery,
  locationsSchema,
  MAX_RANGE_DAYS,
  tripDayQuery,
  tripSchema,
} from "../location_schemas.ts";
import { requireParty } from "../order_parties.ts";
import { cursorOf, cursorQuery, parseCursor } from "../page_cursor.ts";
import { idParam } from "../schemas.ts";
import {
  courierExists,
  type CourierSpan,
  findCourierDay,
  listCarriers,
  listSpans,
  type Location,
} from "../stores/location_store.ts";
import { summariseTrips, type TripSummary } from "../trip_summary.ts";

const DAY_MS = 86_400_000;
/** Several times a day's rows; a longer trip is summarised as far as this. */
const MAX_TRIP_LOCATIONS = 50_000;

const FORMATS =
  "`format`, or `Accept`, chooses JSON, GeoJSON (RFC 7946), GPX 1.1 or CSV. Positions " +
  "are sampled: while an order is carried, a line between them is within 10 m of every fix. " +
  "`include=all` adds what may be far off (`low_accuracy`) or was not believed (`jump`). The `Link` " +
  "header names the next page in every format.";

/** A text, whose form is told by its media type. */
const textSchema = z.string().openapi({ format: "text" });

const locations = {
  description: "A page of positions, the oldest first",
  content: {
    "application/json": { schema: locationsSchema },
    "application/geo+json": { schema: featuresSchema },
    "application/gpx+xml": { schema: textSchema },
    "text/csv": { schema: textSchema },
  },
};

const ofOrder = createRoute({
  method: "get",
  path: "/api/v1/orders/{id}/locations",
  tags: ["tracking"],
  summary: "Where an order's courier was while it had the order",
  description:
    `From the acceptance to the end of the delivery; after 30 days it is gone. ${FORMATS}`,
  ...access({ roles: ROLES, scope: "orders:read" }),
  request: {
    params: idParam,
    query: z.strictObject({ ...locationQuery, cursor: cursorQuery }),
  },
  responses: {
    200: locations,
    ...problems("request.invalid", "auth.required", "order.not_found"),
  },
});

const ofCourier = createRoute({
  method: "get",
  path: "/api/v1/couriers/{id}/locations",
  tags: ["tracking"],
  summary: "Where a courier was",
  description: `Of at most ${MAX_RANGE_DAYS} days; for dispatchers, and for the courier itself. ` +
    `Without an order positions are kept for 7 days, with one for 30. ${FORMATS}`,
  ...access({ roles: ["courier", "dispatcher", "admin"], scope: "couriers:read" }),
  request: {
    params: idParam,
    query: z.strictObject({ ...courierLocationQuery, ...locationQuery, cursor: cursorQuery }),
  },
  responses: {
    200: locations,
    ...problems("request.invalid", "auth.required", "courier.not_found"),
  },
});

const orderTrip = createRoute({
  method: "get",
  path: "/api/v1/orders/{id}/trip",
  tags: ["tracking"],
  summary: "What the way with an order amounted to",
  description: "Distance, times moving and standing, speeds and stops, of the sampled positions.",
  ...access({ roles: ROLES, scope: "orders:read" }),
  request: { params: idParam },
  responses: {
    200: answers("The summary", tripSchema),
    ...problems("request.invalid", "auth.required", "order.not_found"),
  },
});

const courierTrip = createRoute({
  method: "get",
  path: "/api/v1/couriers/{id}/trip",
  tags: ["tracking"],
  summary: "What a courier's day amounted to",
  description: "Of a day in the time zone of the courier's region; for dispatchers, and for the " +
    "courier itself.",
  ...access({ roles: ["courier", "dispatcher", "admin"], scope: "couriers:read" }),
  request: { params: idParam, query: tripDayQuery },
  responses: {
    200: answers("The summary", tripSchema),
    ...problems("request.invalid", "auth.required", "courier.not_found"),
  },
});

/** Where couriers were, and what that amounted to. */
export function locationRoutes(deps: GatewayDeps) {
  const routes = createRoutes();
  routes.openapi(ofOrder, async (c) => {
    const { id } = c.req.valid("param");
    const spans = await orderSpans(deps, c, id);
    return await answerPage(deps, c, { id, name: `order ${id}`, spans, ...c.req.valid("query") });
  });
  routes.openapi(ofCourier, async (c) => {
    const { id } = c.req.valid("param");
    const { from, to, ...query } = c.req.valid("query");
    const span = { courierId: id, ...requireRange(from, to) };
    await requireCourier(deps, principalOf(c), id);
    await auditReading(deps, c, id, { from, to });
    return await answerPage(deps, c, { id, name: `courier ${id}`, spans: [span], ...query });
  });
  routes.openapi(orderTrip, async (c) => {
    const spans = await orderSpans(deps, c, c.req.valid("param").id);
    return c.json(await summaryOf(deps, spans), 200);
  });
  routes.openapi(courierTrip, async (c) => {
    const { id } = c.req.valid("param");
    const { day } = c.req.valid("query");
    await requireCourier(deps, principalOf(c), id);
    await auditReading(deps, c, id, { day });
    const span = await findCourierDay(deps.sql, id, day);
    return c.json(await summaryOf(deps, span === undefined ? [] : [span]), 200);
  });
  return routes;
}

/** When whom had the order; a courier sees its own part only. */
async function orderSpans(
  deps: GatewayDeps,
  c: GatewayContext,
  orderId: string,
): Promise<CourierSpan[]> {
  const principal = principalOf(c);
  const { id } = await requireParty(deps, c, principal, orderId);
  const isCourier = principal.role === "courier";
  return await listCarriers(deps.sql, id, isCourier ? principal.accountId : undefined);
}

/** A test key sees no courier: those of test mode have no phone. */
async function requireCourier(
  { sql }: GatewayDeps,
  { role, accountId, mode }: Principal,
  courierId: string,
): Promise<void> {
  const isAllowed = mode === "live" && (role !== "courier" || accountId === courierId);
  if (!isAllowed || !await courierExists(sql, courierId)) {
    throw new ProblemError("courier.not_found");
  }
}

/** Whoever looks at where another person was leaves a trace of it, and before it sees anything. */
async function auditReading(
  { sql }: GatewayDeps,
  c: GatewayContext,
  courierId: string,
  details: Readonly<Record<string, unknown>>,
): Promise<void> {
  if (principalOf(c).accountId === courierId) return;
  const subject = { kind: "courier", id: courierId };
  await audit(sql, { ...auditedBy(c), action: "courier.positions_read", subject, details });
}

function requireRange(from: string, to: string): { fromMs: number; toMs: number } {
  const [fromMs, toMs] = [Date.parse(from), Date.parse(to)];
  const wrong = toMs <= fromMs
    ? "must be after from"
    : toMs - fromMs > MAX_RANGE_DAYS * DAY_MS
    ? `must be at most ${MAX_RANGE_DAYS} days after from`
    : undefined;
  // Postgres has no year 0, which ISO 8601 has, and nobody was anywhere then.
  if (wrong === undefined) return { fromMs: Math.max(0, fromMs), toMs: Math.max(0, toMs) };
  throw new ProblemError("request.invalid", {
    detail: "Cannot use the request: fields must keep their bounds",
    errors: [{ field: "to", bound: wrong, value: to }],
  });
}

interface PageRequest {
  /** Of the order or courier. */
  readonly id: string;
  readonly name: string;
  readonly spans: readonly CourierSpan[];
  readonly format?: LocationFormat | undefined;
  readonly include: "usual" | "all";
  readonly limit: number;
  readonly cursor?: string | undefined;
}

async function answerPage(deps: GatewayDeps, c: GatewayContext, request: PageRequest) {
  const { id, name, limit, include } = request;
  const after = cursorIn(request);
  const spans = after === undefined ? request.spans : request.spans.map((span) => ({
    ...span,
    fromMs: Math.max(span.fromMs, after + 1),
  }));
  const options = { withMarked: include === "all", limit: limit + 1 };
  const parts = await listSpans(deps.sql, spans, options);
  const nextCursor = cutPage(parts, limit, id);
  if (nextCursor !== null) {
    const next = queryOf(c.req.url);
    next.set("cursor", nextCursor);
    c.header("link", `<${pathOf(c.req.url)}?${next}>; rel="next"`);
  }
  const format = request.format ?? acceptedFormat(c);
  if (request.format === undefined) c.header("vary", "Accept");
  switch (format) {
    case "json":
      return c.json({ items: parts.flat().map(locationJson), nextCursor }, 200);
    case "geojson":
      c.header("content-type", "application/geo+json");
      return c.body(JSON.stringify(toGeoJson(stretchesOf(parts))), 200);
    case "gpx":
      return fileOf(c, "application/gpx+xml", `${name}.gpx`, toGpx(name, stretchesOf(parts)));
    case "csv":
      return fileOf(c, "text/csv; charset=utf-8", `${name}.csv`, toCsv(parts.flat()));
  }
}

function cursorIn({ cursor, id }: PageRequest): number | undefined {
  const parsed = parseCursor(cursor, "number");
  if (parsed === undefined) return undefined;
  if (parsed.id === id) return parsed.key;
  throw new ProblemError("request.invalid", {
    detail: "Cannot use the request: fields must keep their bounds",
    errors: [{ field: "cursor", bound: "must be a nextCursor of this list", value: cursor ?? "" }],
  });
}

/** Takes off the one that was read beyond the page; the cursor where there is one. */
function cutPage(parts: Location[][], limit: number, id: string): string | null {
  const count = parts.reduce((sum, part) => sum + part.length, 0);
  if (count <= limit) return null;
  parts.at(-1)?.pop();
  const last = parts.findLast((part) => part.length > 0)?.at(-1);
  return last === undefined ? null : cursorOf(last.recordedAtMs, id);
}

const ACCEPTED: Readonly<Record<string, LocationFormat>> = {
  "application/json": "json",
  "application/geo+json": "geojson",
  "application/gpx+xml": "gpx",
  "text/csv": "csv",
};

/** The first of our types that the request names; JSON for who takes anything. */
function acceptedFormat(c: GatewayContext): LocationFormat {
  const types = (c.req.header("accept") ?? "").split(",").map((type) => type.split(";")[0]?.trim());
  for (const type of types) {
    const format = ACCEPTED[type?.toLowerCase() ?? ""];
    if (format !== undefined) return format;
  }
  return "json";
}

function fileOf(c: GatewayContext, type: string, name: string, text: string) {
  c.header("content-type", type);
  c.header("content-disposition", `attachment; filename="${name.replaceAll(" ", "-")}"`);
  return c.body(text, 200);
}

function locationJson(location: Location) {
  const { recordedAtMs, accuracyM, headingDeg, speedMps, ...rest } = location;
  return {
    ...rest,
    recordedAt: new Date(recordedAtMs).toISOString(),
    ...(accuracyM === null ? {} : { accuracyM }),
    ...(headingDeg === null ? {} : { headingDeg }),
    ...(speedMps === null ? {} : { speedMps }),
  };
}

async function summaryOf(deps: GatewayDeps, spans: readonly CourierSpan[]) {
  const parts = await listSpans(deps.sql, spans, { withMarked: false, limit: MAX_TRIP_LOCATIONS });
  return tripJson(summariseTrips(parts));
}

function tripJson(trip: TripSummary) {
  const { startedAtMs, endedAtMs, movingMs } = trip;
  const seconds = (ms: number) => Math.round(ms / 1_000);
  const rounded = (speed: number) => Math.round(speed * 100) / 100;
  const iso = (ms: number | undefined) => ms === undefined ? null : new Date(ms).toISOString();
  return {
    startedAt: iso(startedAtMs),
    endedAt: iso(endedAtMs),
    start: trip.start ?? null,
    end: trip.end ?? null,
    distanceM: Math.round(trip.distanceM),
    movingS: seconds(movingMs),
    standingS: seconds(trip.standingMs),
    silentS: seconds(trip.silentMs),
    averageSpeedMps: movingMs === 0 ? null : rounded(trip.distanceM / (movingMs / 1_000)),
    maxSpeedMps: trip.maxSpeedMps === undefined ? null : rounded(trip.maxSpeedMps),
    stops: trip.stops,
    positions: trip.positions,
  };
}
