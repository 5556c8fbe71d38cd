/** The OpenAPI document: whole, true of its examples, and of the routes that are served. */
import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { INGEST_ROUTES } from "shared/live_api/ingest_routes.ts";
import { TRACKER_ROUTES } from "shared/live_api/tracker_routes.ts";
import { PROBLEMS } from "shared/problem/problem.ts";
import { EXAMPLES } from "../services/gateway/openapi/describe.ts";
import { describedApp } from "../services/gateway/openapi/described_app.ts";
import {
  documentOf,
  type MediaType,
  operationsOf,
  parametersOf,
  type PlacedOperation,
  responsesOf,
  schemaNameOf,
  serviceOf,
} from "../services/gateway/openapi/document.ts";
import { liveSchemas } from "../services/gateway/openapi/live_routes.ts";
import { OPERATION_IDS, TAGS } from "../services/gateway/openapi/operation_ids.ts";
import { apiDocument } from "./harness/api_document.ts";
import { assertConforms } from "./harness/conformance.ts";
import { schemaFaults } from "./harness/json_schema.ts";

const document = await apiDocument();
const operations = operationsOf(document);
const ID = "0195a1c0-5d2e-7b3a-9f10-3c5d7e9a1b01";
/** Pages for people; everything else that is served is documented. */
const PAGES = ["GET /", "GET /assets/{name}", "GET /favicon.ico", "GET /t/{orderId}"];

Deno.test("what is documented is served, and what is served is documented", () => {
  const served = describedApp().routes
    .filter(({ method, path }) => method !== "ALL" && !path.includes("*"))
    .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, "{$1}")}`);
  const documented = operationsOf(documentOf(document, "gateway")).map(({ name }) => name);
  ok(documented.length > 70, `only ${documented.length} operations were looked at`);
  deepStrictEqual([...new Set(served)].sort(), [...documented, ...PAGES].sort());
});

Deno.test("what ingest and the tracker dispatch by is documented, with where it is answered", () => {
  for (
    const [service, routes] of [["ingest", INGEST_ROUTES], ["tracker", TRACKER_ROUTES]] as const
  ) {
    const documented = operations.filter(({ operation }) => serviceOf(operation) === service);
    deepStrictEqual(
      documented.map(({ name }) => name).sort(),
      routes.map(({ method, path }) => `${method} ${path}`).sort(),
    );
  }
});

Deno.test("a shape that the gateway and another service both have is one shape", () => {
  const own = operationsOf(documentOf(document, "gateway"));
  ok(JSON.stringify(own).includes("#/components/schemas/Offer"));
  const live = liveSchemas();
  for (const name of ["Offer", "Place"]) {
    deepStrictEqual(live[name], document.components.schemas[name], name);
  }
});

Deno.test("every operation has a name of its own, which is never given twice", () => {
  const named = operations.filter(({ operation }) => serviceOf(operation) === "gateway");
  deepStrictEqual(named.map(({ name }) => name).sort(), Object.keys(OPERATION_IDS).sort());
  const ids = operations.map(({ operation }) => operation.operationId ?? "");
  strictEqual(new Set(ids).size, ids.length);
  for (const id of ids) ok(/^[a-z][A-Za-z]+$/.test(id), id);
});

Deno.test("every operation has a summary, a known tag, and a word for each parameter", () => {
  const tags = TAGS.map(({ name }) => name);
  for (const { name, operation } of operations) {
    ok((operation.summary ?? "").length > 5, `${name} has no summary`);
    ok(!operation.summary?.endsWith("."), `${name}: a summary is no sentence with a full stop`);
    strictEqual(operation.tags?.length, 1, name);
    for (const tag of operation.tags ?? []) ok(tags.includes(tag), `${name}: unknown tag ${tag}`);
    for (const parameter of parametersOf(document, operation)) {
      ok((parameter.description ?? "").length > 5, `${name}: ${parameter.name} has no description`);
    }
  }
});

Deno.test("every request and every answer with a body has an example, and names its shape", () => {
  const lacking = operations.flatMap(({ name, operation }) =>
    mediaOf({ name, operation }).filter(([, media]) =>
      media.schema["format"] !== "text" &&
      (schemaNameOf(media.schema) === undefined || Object.keys(media.examples ?? {}).length === 0)
    ).map(([where]) => where)
  );
  deepStrictEqual(lacking, []);
});

function mediaOf({ name, operation }: Pick<PlacedOperation, "name" | "operation">) {
  const request = Object.values(operation.requestBody?.content ?? {});
  const responses = Object.entries(responsesOf(document, operation));
  return [
    ...request.map((media): [string, MediaType] => [`${name} request`, media]),
    ...responses.flatMap(([status, { content = {} }]) =>
      Object.values(content).map((media): [string, MediaType] => [`${name} ${status}`, media])
    ),
  ];
}

Deno.test("every example is what its schema takes, in code and in the document", () => {
  for (const [name, { schema, values }] of Object.entries(EXAMPLES)) {
    const documented = document.components.schemas[name];
    ok(documented !== undefined, `${name} is an example of nothing in the document`);
    for (const [form, value] of Object.entries(values)) {
      const parsed = schema.safeParse(value);
      ok(parsed.success, `${name} ${form}: ${parsed.error?.message}`);
      deepStrictEqual(schemaFaults(document, documented, value, name), [], form);
    }
  }
});

Deno.test("every example that an operation refers to keeps the schema beside it", () => {
  let count = 0;
  for (const placed of operations) {
    for (const [where, { schema, examples = {} }] of mediaOf(placed)) {
      for (const { $ref } of Object.values(examples)) {
        const found = document.components.examples?.[$ref.replace("#/components/examples/", "")];
        ok(found !== undefined, `${where}: ${$ref} leads nowhere`);
        deepStrictEqual(schemaFaults(document, schema, found.value), [], where);
        count++;
      }
    }
  }
  ok(count > 500, `only ${count} examples were looked at`);
});

Deno.test("every refusal lists its codes, which are of its status", () => {
  for (const { name, operation } of operations) {
    const refusals = Object.entries(responsesOf(document, operation))
      .filter(([status]) => Number(status) >= 400);
    ok(refusals.length > 0, name);
    for (const [status, response] of refusals) {
      const codes = response["x-problem-codes"] ?? [];
      ok(codes.length > 0, `${name} ${status} has no codes`);
      for (const code of codes) {
        const entry = new Map(Object.entries(PROBLEMS)).get(code);
        strictEqual(String(entry?.status), status, `${name} ${code}`);
      }
    }
  }
});

Deno.test("no named shape is itself null: whoever refers to it says whether it may be", () => {
  const nullable = Object.entries(document.components.schemas).filter(([, { type }]) =>
    Array.isArray(type) && type.includes("null")
  );
  deepStrictEqual(nullable.map(([name]) => name), []);
});

Deno.test("an operation takes an Idempotency-Key where it places orders", () => {
  const taking = operations.filter(({ operation }) =>
    parametersOf(document, operation).some(({ name }) => name === "Idempotency-Key")
  );
  deepStrictEqual(taking.map(({ operation }) => operation.operationId), [
    "placeOrder",
    "placeOrders",
    "reorder",
  ]);
});

Deno.test("schemaFaults() finds what breaks a promise, and nothing in what keeps it", () => {
  const schema = {
    type: "object",
    properties: {
      id: { type: "string", format: "uuid" },
      at: { type: ["string", "null"], format: "date-time" },
      count: { type: "integer", minimum: 1 },
      kind: { enum: ["a", "b"] },
      list: { type: "array", items: { oneOf: [{ type: "number" }, { type: "null" }] } },
    },
    required: ["id"],
  };
  const faults = (value: unknown) => schemaFaults(document, schema, value).length;
  strictEqual(faults({ id: ID, at: null, count: 1, kind: "a", list: [1, null] }), 0);
  for (
    const wrong of [
      {},
      { id: "x" },
      { id: ID, at: "yesterday" },
      { id: ID, count: 0 },
      { id: ID, count: 1.5 },
      { id: ID, kind: "c" },
      { id: ID, list: ["1"] },
      { id: ID, more: 1 },
      [],
      null,
    ]
  ) ok(faults(wrong) > 0, JSON.stringify(wrong));
  ok(schemaFaults(document, { unheardOf: true }, 1).length > 0);
});

Deno.test("assertConforms() refuses an answer that is not as documented, and no other", () => {
  const path = "/api/v1/me";
  const account = { id: ID, role: "customer", name: "Ann", email: "ann@example.com" };
  const conforms = (status: number, json: unknown, type = "application/json") => {
    const headers = new Headers({ "content-type": type, "x-request-id": ID });
    assertConforms(document, "GET", path, { status, headers, text: JSON.stringify(json), json });
  };
  const problem = (code: string) => ({ type: `/problems/${code}`, title: "x", status: 401, code });
  conforms(200, account);
  conforms(401, problem("auth.required"), "application/problem+json");
  throws(() => conforms(201, account), /status is not documented/);
  throws(() => conforms(200, account, "text/plain"), /type text\/plain is not documented/);
  throws(() => conforms(200, { ...account, passwordHash: "x" }), /passwordHash is not documented/);
  throws(() => conforms(200, { ...account, name: undefined, id: "1" }), /must be uuid/);
  throws(() => conforms(200, { id: ID }), /role is missing/);
  throws(
    () => conforms(401, problem("auth.busy"), "application/problem+json"),
    /code is not documented/,
  );
  throws(() => {
    const answer = { status: 200, headers: new Headers(), text: "{}", json: {} };
    assertConforms(document, "GET", "/api/v1/unheard-of", answer);
  }, /served, but not documented/);
});
