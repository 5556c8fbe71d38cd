/** Operations that are served without a schema of their own: the reference, the map, the demo. */
import { type OpenAPIHono, z } from "@hono/zod-openapi";
import { MAP_CLASSES } from "shared/streets/drawable_map.ts";
import { answers, type GatewayEnv, problems } from "../http.ts";
import { type Example, example } from "./example.ts";

const tags = ["reference"];

const boundsSchema = z.object({
  south: z.number(),
  west: z.number(),
  north: z.number(),
  east: z.number(),
});

const pageSchema = z.string().openapi("Page");

export const demoSchema = z.object({
  enabled: z.literal(true),
  regionId: z.string(),
  customer: z.object({ email: z.string(), password: z.string() }),
}).openapi("Demo");

/** Lines as `DrawableMap` of shared/streets packs them. */
export const streetMapSchema = z.object({
  version: z.literal(1),
  attribution: z.string(),
  bounds: boundsSchema,
  unitsPerDegree: z.number(),
  lines: z.array(z.object({
    class: z.enum(MAP_CLASSES),
    points: z.array(z.int()),
    name: z.string().optional(),
  })),
}).openapi("StreetMap");

/** The document itself; its own specification says what is in it. */
export const openApiSchema = z.looseObject({ openapi: z.string() }).openapi("OpenApiDocument");

export const REFERENCE_EXAMPLES: Readonly<Record<string, Example>> = {
  Demo: example(demoSchema, {
    enabled: true,
    regionId: "gothenburg",
    customer: { email: "customer-1@gothenburg.demo", password: "shown where the demo starts" },
  }),
  StreetMap: example(streetMapSchema, {
    version: 1,
    attribution: "© OpenStreetMap contributors",
    bounds: { south: 57.68, west: 11.92, north: 57.73, east: 12.01 },
    unitsPerDegree: 100_000,
    lines: [{ class: "street", points: [1200, 800, 30, -12], name: "Vasagatan" }],
  }),
  Page: example(pageSchema, "..."),
  OpenApiDocument: example(openApiSchema, { openapi: "3.1.0" }),
};

/** Adds them to the document. */
export function registerReferencePaths(app: OpenAPIHono<GatewayEnv>): void {
  const registry = app.openAPIRegistry;
  registry.registerPath({
    method: "get",
    path: "/api/v1/openapi.json",
    tags,
    summary: "This document",
    responses: { 200: answers("OpenAPI 3.1", openApiSchema) },
  });
  registry.registerPath({
    method: "get",
    path: "/api/v1/map/{regionId}",
    tags,
    summary: "The streets of a region, to be drawn",
    request: { params: z.object({ regionId: z.string() }) },
    responses: {
      200: answers("Streets and their names", streetMapSchema),
      ...problems("region.not_found"),
    },
  });
  registry.registerPath({
    method: "get",
    path: "/api/v1/demo",
    tags,
    summary: "Who the demo page signs in as; nothing outside the demo",
    responses: {
      200: answers("The demo's customer", demoSchema),
      ...problems("route.not_found"),
    },
  });
  registry.registerPath({
    method: "get",
    path: "/api/v1/docs",
    tags,
    summary: "The reference as a page for people",
    responses: { 200: { description: "HTML", content: { "text/html": { schema: pageSchema } } } },
  });
  registry.registerPath({
    method: "get",
    path: "/api/v1/docs/reference.css",
    tags,
    summary: "The style sheet of that page",
    responses: { 200: { description: "CSS", content: { "text/css": { schema: pageSchema } } } },
  });
}
