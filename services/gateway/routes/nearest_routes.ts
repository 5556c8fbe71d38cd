import { createRoute, z } from "@hono/zod-openapi";
import { MAX_INDEXABLE_LAT, type Point } from "shared/geo/point.ts";
import type { NearestCourier } from "shared/nearest/nearest_couriers.ts";
import { MAX_RADIUS_M } from "shared/nearest/point_grid.ts";
import { ProblemError } from "shared/problem/problem.ts";
import type { Region } from "shared/regions/region.ts";
import { VEHICLES } from "shared/streets/vehicle.ts";
import { access } from "../access.ts";
import { numberQuery, regionIdSchema } from "../catalogue_schemas.ts";
import { nearestCouriersSchema } from "../courier_schemas.ts";
import type { GatewayDeps } from "../deps.ts";
import { answers, createRoutes, problems } from "../http.ts";
import { MAX_SKILLS, skillSchema } from "../order_schemas.ts";
import { idSchema, limitQuery } from "../schemas.ts";

const DEFAULT_RADIUS_M = 5_000;
const MAX_FREE_CAPACITY = 50;

/** A parameter that may be given several times; `items` is how the document tells it. */
function several<Item extends z.ZodType>(
  item: Item,
  maxItems: number,
  items: { type: "string"; enum?: string[]; pattern?: string },
) {
  return z.preprocess(
    (value) => typeof value === "string" ? [value] : value,
    z.array(item).min(1).max(maxItems),
  ).openapi({ type: "array", minItems: 1, maxItems, items }).optional();
}

const nearestQuery = z.strictObject({
  lat: numberQuery(-MAX_INDEXABLE_LAT, MAX_INDEXABLE_LAT),
  lon: numberQuery(-180, 180),
  radiusM: numberQuery(1, MAX_RADIUS_M).optional(),
  limit: limitQuery,
  /** Where it is absent, the region that serves the place. */
  regionId: regionIdSchema.optional(),
  vehicle: several(z.enum(VEHICLES), VEHICLES.length, { type: "string", enum: [...VEHICLES] }),
  skill: several(skillSchema, MAX_SKILLS, {
    type: "string",
    pattern: "^[a-z][a-z0-9_]{0,39}$",
  }),
  minRating: numberQuery(1, 5).optional(),
  minFreeCapacity: z.string().regex(/^\d+$/, "must be a whole number").transform(Number)
    .pipe(z.number().max(MAX_FREE_CAPACITY))
    .openapi({ type: "integer", minimum: 0, maximum: MAX_FREE_CAPACITY }).optional(),
  fleetMerchantId: idSchema.optional(),
});

const nearest = createRoute({
  method: "get",
  path: "/api/v1/couriers/nearest",
  tags: ["dispatcher"],
  summary: "The nearest couriers to a place who could take an order now",
  description: "Couriers of one region who are available and were heard within 45 s, by distance " +
    "in a straight line. `vehicle` and `skill` may be repeated: one of the vehicles, all of the " +
    "skills. `source` says who answered.",
  ...access({ roles: ["dispatcher", "admin"], scope: "couriers:read" }),
  request: { query: nearestQuery },
  responses: {
    200: answers("Couriers, the nearest first", nearestCouriersSchema),
    ...problems(
      "request.invalid",
      "auth.required",
      "auth.forbidden",
      "region.not_found",
      "order.outside_service_area",
    ),
  },
});

/** Who is near a place. */
export function nearestRoutes(deps: GatewayDeps) {
  const routes = createRoutes();
  routes.openapi(nearest, async (c) => {
    const { lat, lon, radiusM = DEFAULT_RADIUS_M, limit, regionId, ...query } = c.req.valid(
      "query",
    );
    const center = { lat, lon };
    const region = await regionOf(deps, center, regionId);
    const { source, couriers } = await deps.nearest.find(region, {
      center,
      radiusM,
      limit,
      filter: {
        vehicles: query.vehicle,
        skills: query.skill,
        minRating: query.minRating,
        minFreeCapacity: query.minFreeCapacity,
        fleet: query.fleetMerchantId,
      },
    });
    const items = couriers.map(courierJson);
    return c.json({ source, regionId: region.id, radiusM, items }, 200);
  });
  return routes;
}

async function regionOf({ regions }: GatewayDeps, center: Point, id?: string): Promise<Region> {
  const region = id === undefined ? await regions.findServing(center) : await regions.find(id);
  if (region !== undefined) return region;
  if (id !== undefined) throw new ProblemError("region.not_found");
  throw new ProblemError("order.outside_service_area", {
    detail: "Cannot choose the region: the place must be in a served area, or regionId be given: " +
      `it is ${center.lat}, ${center.lon}`,
  });
}

function courierJson({ profile, position, distanceM, heardAgoMs }: NearestCourier) {
  const { id, vehicle, capacity, activeAssignments, skills, rating, fleet, version } = profile;
  return {
    courierId: id,
    position,
    distanceM: Math.round(distanceM * 10) / 10,
    heardAgoMs: Math.round(heardAgoMs),
    vehicle,
    capacity,
    activeAssignments,
    skills: [...skills],
    rating,
    fleetMerchantId: fleet,
    version,
  };
}
