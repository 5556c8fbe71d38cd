/** The operations of ingest and the tracker, which the gateway describes and does not serve. Pure. */
import { z } from "zod";
import { INGEST_ROUTES } from "shared/live_api/ingest_routes.ts";
import { LIVE_SCHEMAS } from "shared/live_api/schemas.ts";
import type {
  LiveContent,
  LiveCredential,
  LiveService,
  ServiceRoute,
} from "shared/live_api/service_route.ts";
import { TRACKER_ROUTES } from "shared/live_api/tracker_routes.ts";
import { refusals } from "../http.ts";
import {
  type DocumentedResponse,
  type JsonSchema,
  type OpenApiDocument,
  type Operation,
  SCHEMAS,
  type Server,
} from "./document.ts";

/** Where each service is: its address differs with the installation. */
const SERVERS: Readonly<Record<LiveService, Server>> = {
  ingest: server("ingest", "http://localhost:8081"),
  tracker: server("tracker", "http://localhost:8082"),
};

function server(name: LiveService, address: string): Server {
  const variable = `${name}Url`;
  return {
    url: `{${variable}}`,
    description: `The ${name} service`,
    variables: { [variable]: { default: address, description: "Its address from outside" } },
  };
}

/** Schemes of the live services beside those of the gateway. */
const SCHEMES: Readonly<Record<string, JsonSchema>> = {
  ticket: {
    type: "apiKey",
    in: "query",
    name: "ticket",
    description: "A ticket of the gateway: it opens one connection within 30 s",
  },
  deviceBasic: {
    type: "http",
    scheme: "basic",
    description: "An API key with `positions:write` as the password, any user name",
  },
  deviceId: {
    type: "apiKey",
    in: "query",
    name: "id",
    description: "An API key with `positions:write` in the field `id` of the query or form",
  },
};

/** Adds the operations and shapes of both services. */
export function addLiveRoutes(document: OpenApiDocument): void {
  const { schemas, securitySchemes } = document.components;
  for (const [name, schema] of Object.entries(liveSchemas())) schemas[name] ??= schema;
  Object.assign(securitySchemes, SCHEMES);
  for (const route of INGEST_ROUTES) addRoute(document, route, "ingest");
  for (const route of TRACKER_ROUTES) addRoute(document, route, "tracker");
}

function addRoute(document: OpenApiDocument, route: ServiceRoute, service: LiveService): void {
  const methods = document.paths[route.path] ??= {};
  methods[route.method.toLowerCase()] = operationOf(route, service);
}

function operationOf(route: ServiceRoute, service: LiveService): Operation {
  const { operationId, tag, summary, description, roles, scope, body, parameters } = route;
  return {
    operationId,
    tags: [tag],
    summary,
    description,
    servers: [SERVERS[service]],
    security: route.credentials.map((credential) => ({
      [credential]: scopesOf(credential, route),
    })),
    "x-roles": roles,
    "x-scope": scope,
    ...(parameters === undefined ? {} : {
      parameters: parameters.map(({ schema, ...parameter }) => ({
        ...parameter,
        required: parameter.in === "path",
        schema: plain(z.toJSONSchema(schema, { io: "input" })),
      })),
    }),
    ...(body === undefined ? {} : { requestBody: { required: true, content: contentOf(body) } }),
    responses: responsesOf(route),
  };
}

function scopesOf(credential: LiveCredential, { scope }: ServiceRoute): readonly string[] {
  return credential === "apiKey" ? [scope] : [];
}

function responsesOf({ answers, problems }: ServiceRoute): Record<string, DocumentedResponse> {
  const good = Object.entries(answers).map(([status, { description, content }]) => [status, {
    description,
    ...(content === undefined ? {} : { content: contentOf(content) }),
  }]);
  const refused = Object.entries(refusals(problems)).map(([status, response]) => {
    const { description, "x-problem-codes": codes } = response;
    return [status, { description, "x-problem-codes": codes }];
  });
  return Object.fromEntries([...good, ...refused]);
}

function contentOf(content: LiveContent) {
  return Object.fromEntries(
    Object.entries(content).map(([type, name]) => [type, { schema: { $ref: SCHEMAS + name } }]),
  );
}

/** The shapes of both services by name, as the document has them. */
export function liveSchemas(): Record<string, JsonSchema> {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(LIVE_SCHEMAS)) registry.add(schema, { id });
  const made = z.toJSONSchema(registry, { io: "input", uri: (id) => SCHEMAS + id });
  return Object.fromEntries(
    Object.entries(made.schemas).map(([name, schema]) => [name, plain(schema)]),
  );
}

/** Formats that say what their patterns say at length. */
const SAID_BY_FORMAT = new Set(["date-time", "uuid"]);

/** The schema in the words of the rest of the document. */
function plain(schema: object): JsonSchema {
  return JSON.parse(JSON.stringify(schema), (_, value: unknown) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    const entries = Object.entries(value).filter(([key, member]) => !isSaid(value, key, member));
    return Object.fromEntries(entries);
  });
}

function isSaid(schema: object, key: string, member: unknown): boolean {
  if (key === "$schema" || key === "$id") return true;
  // Bounds of the safe integers, which every JSON reader has.
  if (Math.abs(Number(member)) === Number.MAX_SAFE_INTEGER) return true;
  const format = "format" in schema ? String(schema.format) : "";
  return key === "pattern" && SAID_BY_FORMAT.has(format);
}
