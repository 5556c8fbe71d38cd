/**
 * The OpenAPI document. The routes' schemas give its substance; what is the same for many
 * operations is added here, once: names, examples, headers, refusals that everything may answer,
 * and references in place of copies.
 */
import type { OpenAPIHono } from "@hono/zod-openapi";
import {
  problemBody,
  type ProblemCode,
  type ProblemExtras,
  PROBLEMS,
} from "shared/problem/problem.ts";
import { SECURITY_SCHEMES } from "../access.ts";
import { type GatewayEnv, refusals } from "../http.ts";
import { MAX_KEY_CHARACTERS } from "../idempotency.ts";

import { CATALOGUE_EXAMPLES } from "./catalogue_examples.ts";
import { COURIER_EXAMPLES } from "./courier_examples.ts";
import {
  type JsonSchema,
  type MediaType,
  type OpenApiDocument,
  type Operation,
  operationsOf,
  type Parameter,
  responsesOf,
  schemaNameOf,
  SCHEMAS,
} from "./document.ts";
import { type Example, ID } from "./example.ts";
import { IDENTITY_EXAMPLES } from "./identity_examples.ts";
import { LOCATION_EXAMPLES } from "./location_examples.ts";
import { LIVE_EXAMPLES } from "./live_examples.ts";
import { addLiveRoutes } from "./live_routes.ts";
import { OPERATION_IDS, TAGS } from "./operation_ids.ts";
import { ORDER_EXAMPLES } from "./order_examples.ts";
import { REFERENCE_EXAMPLES, registerReferencePaths } from "./reference_paths.ts";
import { hoistEnums, hoistLists, hoistRefusals } from "./share_schemas.ts";

/** Examples by the name of the schema. */
export const EXAMPLES: Readonly<Record<string, Example>> = {
  ...IDENTITY_EXAMPLES,
  ...CATALOGUE_EXAMPLES,
  ...ORDER_EXAMPLES,
  ...COURIER_EXAMPLES,
  ...LOCATION_EXAMPLES,
  ...REFERENCE_EXAMPLES,
  ...LIVE_EXAMPLES,
};

const DESCRIPTION = "Dispatch for last-mile delivery: orders, couriers, live tracking.\n\n" +
  "Credentials are bearer tokens; `x-roles` and `x-scope` of an operation say whose. Bodies are " +
  "JSON, and unknown fields are refused. Times are ISO 8601 in UTC, money is an integer in the " +
  "currency's minor unit. Lists with a `nextCursor` are continued by sending it as `cursor`. " +
  "Refusals are RFC 9457 problems: `code` never changes its meaning, and `x-problem-codes` of an " +
  "answer lists the codes that it may have. Within /api/v1 nothing is removed or narrowed.\n\n" +
  "Positions go to the ingest service and live tracks come from the tracker: `servers` of an " +
  "operation says where it is answered, where that is not the gateway.";

/** What any operation may answer. */
const ALWAYS: readonly ProblemCode[] = ["internal", "service.unavailable"];
/** What any operation with a body may answer. */
const WITH_BODY: readonly ProblemCode[] = [
  "request.malformed",
  "request.too_large",
  "request.unsupported_media_type",
  "request.invalid",
];

const IDEMPOTENCY_PARAMETER: Parameter = {
  name: "Idempotency-Key",
  in: "header",
  required: false,
  description: "A text of your own, new for every order. The first answer is kept for 24 h and " +
    "given again for the same key and body; another body is refused (idempotency.key_reused).",
  schema: { type: "string", minLength: 1, maxLength: MAX_KEY_CHARACTERS },
};

const HEADERS = {
  RequestId: {
    description: "Names this request in logs; also the `instance` of a problem",
    schema: { type: "string", format: "uuid" },
  },
  IdempotentReplayed: {
    description: "`true` where this is the stored answer of an earlier request with this key",
    schema: { type: "string", enum: ["true"] },
  },
  RetryAfter: {
    description: "Seconds after which asking again makes sense",
    schema: { type: "integer", minimum: 0 },
  },
  RateLimitLimit: {
    description: "Requests per window of the limit that is nearest to its end",
    schema: { type: "integer", minimum: 1 },
  },
  RateLimitRemaining: {
    description: "Requests left of that limit",
    schema: { type: "integer", minimum: 0 },
  },
  RateLimitReset: {
    description: "Seconds until that limit allows more",
    schema: { type: "integer", minimum: 0 },
  },
  RateLimitPolicy: {
    description: "Every limit that counted this request: name, quota and window in seconds",
    schema: { type: "string" },
  },
  RateLimit: {
    description: "Every limit that counted this request: name, requests left, seconds to wait",
    schema: { type: "string" },
  },
};
/** Header fields by the names above. */
const FIELDS: Readonly<Record<keyof typeof HEADERS, string>> = {
  RequestId: "x-request-id",
  IdempotentReplayed: "idempotent-replayed",
  RetryAfter: "retry-after",
  RateLimitLimit: "ratelimit-limit",
  RateLimitRemaining: "ratelimit-remaining",
  RateLimitReset: "ratelimit-reset",
  RateLimitPolicy: "ratelimit-policy",
  RateLimit: "ratelimit",
};
const RATE_LIMIT_HEADERS = [
  "RateLimitLimit",
  "RateLimitRemaining",
  "RateLimitReset",
  "RateLimitPolicy",
  "RateLimit",
] as const;

/** What a parameter means wherever it stands. */
const PARAMETER_TEXTS: Readonly<Record<string, string>> = {
  id: "Id of what the path names",
  limit: "Most entries of the answer",
  cursor: "The `nextCursor` of the page before; leave it out for the first page",
  regionId: "Id of a region",
  merchantId: "Id of a merchant",
  courierId: "Id of a courier: orders that courier has or had; for dispatchers",
  externalId: "The id that you gave with the order",
  status: "Only what is in this state",
  role: "Only accounts of this role",
  format: "Form of the answer; without it `Accept` tells",
  include: "`all` also gives positions that may be far off or were not believed",
  day: "A day in the time zone of the courier's region",
  from: "Only what is at or after this instant",
  to: "Only what is before this instant",
  lat: "Latitude in degrees, WGS 84; together with lon",
  lon: "Longitude in degrees, WGS 84; together with lat",
  category: "Only merchants of this kind",
  q: "Words of a name or a menu, in any order",
  itemId: "Id of a menu item",
  keyId: "Id of a key of the order's devices",
  categoryId: "Id of a category of a menu",
  radiusM: "Only what is within this distance of the place, in metres",
  vehicle: "Only couriers with one of these; may be repeated",
  skill: "Only couriers with all of these; may be repeated",
  minRating: "Only couriers with at least this rating",
  minFreeCapacity: "Only couriers who could take this many orders besides those they have",
  fleetMerchantId: "Only couriers of this merchant's own fleet",
  actorAccountId: "Only what this account did",
  action: "Only entries with this action, as `api_key.created`",
  subjectKind: "Only what was done to such a thing, as `account`",
  subjectId: "Only what was done to the thing with this id",
};

const EXAMPLE_EXTRAS: Partial<Record<ProblemCode, ProblemExtras>> = {
  "request.invalid": {
    detail: "Cannot use the request: fields must keep their bounds",
    errors: [{ field: "items.0.quantity", bound: "must be >= 1", value: 0 }],
  },
  "order.transition_not_allowed": {
    detail: "Cannot cancel: order is delivered",
    members: { state: "delivered" },
  },
};

/** Builds the document of the routes that `app` has. It is plain data: it equals its JSON. */
export function describeApi(app: OpenAPIHono<GatewayEnv>): OpenApiDocument {
  registerReferencePaths(app);
  for (const [name, scheme] of Object.entries(SECURITY_SCHEMES)) {
    app.openAPIRegistry.registerComponent("securitySchemes", name, scheme);
  }
  const generated: OpenApiDocument = JSON.parse(JSON.stringify(app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Hexmile",
      version: "1",
      description: DESCRIPTION,
      license: { name: "Apache-2.0", url: "https://www.apache.org/licenses/LICENSE-2.0" },
    },
  })));
  addLiveRoutes(generated);
  const document = hoistEnums(hoistLists(generated));
  document.servers = [{ url: "/", description: "The gateway that serves this document" }];
  document.tags = TAGS.map((tag) => ({ ...tag }));
  document.components.parameters = { IdempotencyKey: IDEMPOTENCY_PARAMETER };
  document.components.headers = HEADERS;
  document.components.examples = {};
  for (const { name, operation } of operationsOf(document)) {
    const id = OPERATION_IDS[name];
    if (id !== undefined) operation.operationId = id;
    operation.security ??= [];
    addRefusals(document, operation);
    describeParameters(operation);
    addExamples(document, operation);
    addHeaders(document, operation);
  }
  return hoistRefusals(document);
}

function addRefusals(document: OpenApiDocument, operation: Operation): void {
  const declared = Object.values(responsesOf(document, operation))
    .flatMap((response) => response["x-problem-codes"] ?? []) as ProblemCode[];
  const isOwn = operation.servers === undefined;
  const body = isOwn && operation.requestBody !== undefined ? WITH_BODY : [];
  const all = refusals([...declared, ...body, ...ALWAYS]);
  for (const [status, { description, "x-problem-codes": codes }] of Object.entries(all)) {
    operation.responses[status] = {
      description,
      "x-problem-codes": [...codes],
      content: { [PROBLEM_TYPE]: { schema: { ...PROBLEM } } },
    };
  }
}

const PROBLEM_TYPE = "application/problem+json";
const PROBLEM: JsonSchema = { $ref: `${SCHEMAS}Problem` };

function describeParameters(operation: Operation): void {
  for (const [index, parameter] of (operation.parameters ?? []).entries()) {
    if ("$ref" in parameter || parameter.description !== undefined) continue;
    const description = PARAMETER_TEXTS[parameter.name];
    if (description === undefined || operation.parameters === undefined) continue;
    operation.parameters[index] = { ...parameter, description };
  }
}

function addExamples(document: OpenApiDocument, operation: Operation): void {
  for (const media of Object.values(operation.requestBody?.content ?? {})) {
    addMediaExamples(document, media);
  }
  for (const response of Object.values(responsesOf(document, operation))) {
    const codes = (response["x-problem-codes"] ?? []) as readonly ProblemCode[];
    for (const media of Object.values(response.content ?? {})) {
      if (codes.length === 0) addMediaExamples(document, media);
      else media.examples = problemExamples(document, codes);
    }
  }
}

function problemExamples(document: OpenApiDocument, codes: readonly ProblemCode[]) {
  return Object.fromEntries(codes.map((code) => {
    const value = problemBody(code, EXAMPLE_EXTRAS[code], ID.request);
    return [code, exampleRef(document, code, { summary: PROBLEMS[code].title, value })];
  }));
}

function addMediaExamples(document: OpenApiDocument, media: MediaType): void {
  const name = schemaNameOf(media.schema);
  if (name === undefined) return;
  const values = EXAMPLES[name]?.values ?? listExample(document, name);
  if (values === undefined) return;
  media.examples = Object.fromEntries(
    Object.entries(values).map(([form, value]) => {
      const isOnly = Object.keys(values).length === 1;
      return [form, exampleRef(document, isOnly ? name : `${name}.${form}`, { value })];
    }),
  );
}

/** A list of a thing with an example has one too. */
function listExample(
  document: OpenApiDocument,
  name: string,
): Record<string, unknown> | undefined {
  const properties = document.components.schemas[name]?.["properties"] as
    | Record<string, JsonSchema>
    | undefined;
  const item = schemaNameOf((properties?.["items"]?.["items"] ?? {}) as JsonSchema);
  const [value] = Object.values(EXAMPLES[item ?? ""]?.values ?? {});
  if (value === undefined || properties === undefined) return undefined;
  const page = "nextCursor" in properties ? { nextCursor: null } : {};
  return { usual: { items: [value], ...page } };
}

function exampleRef(
  document: OpenApiDocument,
  name: string,
  example: { summary?: string; value: unknown },
) {
  const { examples } = document.components;
  if (examples !== undefined) examples[name] ??= example;
  return { $ref: `#/components/examples/${name}` };
}

function addHeaders(document: OpenApiDocument, operation: Operation): void {
  const isIdempotent = (operation.parameters ?? []).some((parameter) =>
    "$ref" in parameter && parameter.$ref.endsWith("/IdempotencyKey")
  );
  const isOwn = operation.servers === undefined;
  const isLimited = isOwn && operation.responses["429"] !== undefined;
  for (const [status, response] of Object.entries(responsesOf(document, operation))) {
    const names: (keyof typeof HEADERS)[] = [];
    // Ten thousand positions a second are answered without one, and a stream has no end to name.
    if (isOwn || Number(status) >= 400) names.push("RequestId");
    if (isIdempotent && Number(status) < 300) names.push("IdempotentReplayed");
    if (status === "429" || status === "503") names.push("RetryAfter");
    if (isLimited && (Number(status) < 300 || status === "429")) names.push(...RATE_LIMIT_HEADERS);
    response.headers = Object.fromEntries(
      names.map((name) => [FIELDS[name], { $ref: `#/components/headers/${name}` }]),
    );
  }
}
