import { createRoute, z } from "@hono/zod-openapi";
import { boundsContain } from "shared/geo/area.ts";
import type { Point } from "shared/geo/point.ts";
import { findRingProblem, openRing, type RingProblem } from "shared/geo/ring.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { ProblemError } from "shared/problem/problem.ts";
import type { Region } from "shared/regions/region.ts";
import {
  createZoneSchema,
  regionIdSchema,
  replaceZoneSchema,
  zoneSchema,
} from "../catalogue_schemas.ts";
import { access } from "../access.ts";
import { audited } from "../audited.ts";
import type { GatewayDeps } from "../deps.ts";
import { answers, createRoutes, jsonBody, problems } from "../http.ts";
import { invalidField } from "../invalid_field.ts";
import { idParam, listOf } from "../schemas.ts";
import {
  deleteZone,
  findZone,
  insertZone,
  listZones,
  MAX_ZONES_PER_REGION,
  replaceZone,
  type StoredZone,
} from "../stores/zone_store.ts";

const ADMIN = { roles: ["admin"], scope: "any" } as const;

const ZONE = answers("The zone", zoneSchema);

const list = createRoute({
  method: "get",
  path: "/api/v1/admin/zones",
  tags: ["admin"],
  summary: "The zones of a region, the first that counts first",
  ...access(ADMIN),
  request: { query: z.strictObject({ regionId: regionIdSchema }) },
  responses: {
    200: answers("Zones", listOf(zoneSchema)),
    ...problems("request.invalid", "auth.required", "region.not_found"),
  },
});

const create = createRoute({
  method: "post",
  path: "/api/v1/admin/zones",
  tags: ["admin"],
  summary: "Add a zone",
  ...access(ADMIN),
  request: { body: jsonBody(createZoneSchema) },
  responses: {
    201: ZONE,
    ...problems(
      "request.invalid",
      "auth.required",
      "region.not_found",
      "catalogue.full",
    ),
  },
});

const one = createRoute({
  method: "get",
  path: "/api/v1/admin/zones/{id}",
  tags: ["admin"],
  summary: "One zone",
  ...access(ADMIN),
  request: { params: idParam },
  responses: {
    200: ZONE,
    ...problems("request.invalid", "auth.required", "zone.not_found"),
  },
});

const replace = createRoute({
  method: "put",
  path: "/api/v1/admin/zones/{id}",
  tags: ["admin"],
  summary: "Write a zone anew; orders are priced by it within 10 s",
  ...access(ADMIN),
  request: { params: idParam, body: jsonBody(replaceZoneSchema) },
  responses: {
    200: ZONE,
    ...problems("request.invalid", "auth.required", "zone.not_found"),
  },
});

const remove = createRoute({
  method: "delete",
  path: "/api/v1/admin/zones/{id}",
  tags: ["admin"],
  summary: "Remove a zone; orders and quotes keep their price",
  ...access(ADMIN),
  request: { params: idParam },
  responses: {
    204: { description: "It is gone" },
    ...problems("request.invalid", "auth.required", "zone.not_found"),
  },
});

/** Fees by zone. */
export function zoneRoutes(deps: GatewayDeps) {
  const routes = createRoutes();
  routes.openapi(list, async (c) => {
    const region = await requireRegion(deps, c.req.valid("query").regionId);
    return c.json({ items: (await listZones(deps.sql, region.id)).map(zoneJson) }, 200);
  });
  routes.openapi(create, async (c) => {
    const { regionId, ...values } = c.req.valid("json");
    const region = await requireRegion(deps, regionId);
    const id = uuidv7();
    const ring = checkedRing(values.ring, region);
    const entry = { action: "zone.created", subject: { kind: "zone", id } };
    const zone = { ...values, id, region: region.id, ring };
    if (!await audited(deps, c, entry, (tx) => insertZone(tx, zone))) {
      throw new ProblemError("catalogue.full", {
        detail: `Cannot add: a region may have ${MAX_ZONES_PER_REGION} zones`,
      });
    }
    deps.zones.forget(region.id);
    return c.json(zoneJson(await requireZone(deps, id)), 201);
  });
  routes.openapi(one, async (c) => {
    return c.json(zoneJson(await requireZone(deps, c.req.valid("param").id)), 200);
  });
  routes.openapi(replace, async (c) => {
    const zone = await requireZone(deps, c.req.valid("param").id);
    const values = c.req.valid("json");
    const ring = checkedRing(values.ring, await requireRegion(deps, zone.region));
    const entry = { action: "zone.replaced", subject: { kind: "zone", id: zone.id } };
    await audited(deps, c, entry, (tx) => replaceZone(tx, { ...values, id: zone.id, ring }));
    deps.zones.forget(zone.region);
    return c.json(zoneJson(await requireZone(deps, zone.id)), 200);
  });
  routes.openapi(remove, async (c) => {
    const zone = await requireZone(deps, c.req.valid("param").id);
    const entry = { action: "zone.removed", subject: { kind: "zone", id: zone.id } };
    await audited(deps, c, entry, (tx) => deleteZone(tx, zone.id));
    deps.zones.forget(zone.region);
    return c.body(null, 204);
  });
  return routes;
}

async function requireRegion(deps: GatewayDeps, id: string): Promise<Region> {
  const region = await deps.regions.find(id);
  if (region === undefined) throw new ProblemError("region.not_found");
  return region;
}

async function requireZone(deps: GatewayDeps, id: string): Promise<StoredZone> {
  const zone = await findZone(deps.sql, id);
  if (zone === undefined) throw new ProblemError("zone.not_found");
  return zone;
}

/** The ring, opened. @throws ProblemError where it is no polygon or leaves the region's bounds. */
function checkedRing(points: readonly Point[], region: Region): Point[] {
  const ring = openRing(points);
  const problem = findRingProblem(ring);
  if (problem !== undefined) throw ringProblem(problem, ring);
  const index = ring.findIndex((point) => !boundsContain(region.bounds, point));
  if (index === -1) return ring;
  const { south, west, north, east } = region.bounds;
  const bound = `must be inside the bounds of ${region.name}: lat ${south} to ${north}, ` +
    `lon ${west} to ${east}`;
  throw invalidField(`ring.${index}`, bound, textOf(ring[index]));
}

function ringProblem(problem: RingProblem, ring: readonly Point[]): ProblemError {
  if (problem.code === "too_few_points") {
    return invalidField("ring", "must have >= 3 different points", ring.length);
  }
  if (problem.code === "edges_cross") {
    const [first, second] = problem.edges;
    const bound = `must begin an edge that does not touch the one from ring.${first}`;
    return invalidField(`ring.${second}`, bound, textOf(ring[second]));
  }
  const bound = problem.code === "repeated_point"
    ? "must not repeat a point"
    : "must be within 180 degrees of longitude of every point";
  return invalidField(`ring.${problem.index}`, bound, textOf(ring[problem.index]));
}

function textOf(point: Point | undefined): string {
  return point === undefined ? "" : `${point.lat}, ${point.lon}`;
}

function zoneJson({ region, ring, createdAt, updatedAt, ...zone }: StoredZone) {
  return {
    ...zone,
    regionId: region,
    ring: [...ring],
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
  };
}
