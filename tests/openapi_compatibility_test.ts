/** The promise of /api/v1, and that what is made of the routes is up to date. */
import { deepStrictEqual, ok } from "node:assert/strict";
import { findBreaks } from "../services/gateway/openapi/compatibility.ts";
import type { JsonSchema, OpenApiDocument } from "../services/gateway/openapi/document.ts";
import {
  readWrittenDocument,
  referenceFiles,
} from "../services/gateway/openapi/write_reference.ts";
import { apiDocument } from "./harness/api_document.ts";
import { readText } from "./house/source_tree.ts";

Deno.test("the API breaks no client of the document in docs/openapi.json", async () => {
  const written = await readWrittenDocument();
  ok(written !== undefined, "docs/openapi.json is missing: run deno task openapi");
  deepStrictEqual(findBreaks(written, await apiDocument()), []);
});

Deno.test("what deno task openapi writes is up to date", async () => {
  for (const [path, text] of Object.entries(referenceFiles(await apiDocument()))) {
    ok(await readText(path) === text, `${path} is not what the routes say: run deno task openapi`);
  }
});

type Draft = OpenApiDocument & { paths: Record<string, Record<string, never>> };

/** The breaks between the present document and what a change makes of it. */
async function breaksOf(change: (draft: Draft) => void): Promise<string[]> {
  const document = await apiDocument();
  const draft: Draft = JSON.parse(JSON.stringify(document));
  change(draft);
  return findBreaks(document, draft);
}

/** A schema of the draft, to be changed. */
function schemaOf(draft: Draft, name: string, ...path: readonly string[]) {
  let schema: unknown = draft.components.schemas[name];
  for (const key of path) schema = (schema as Record<string, unknown>)[key];
  ok(typeof schema === "object" && schema !== null, `${name} has no ${path.join(".")}`);
  return schema as Record<string, unknown>;
}

function operationOf(draft: Draft, method: string, path: string): Record<string, unknown> {
  const operation: unknown = draft.paths[path]?.[method];
  ok(typeof operation === "object" && operation !== null, `no ${method} ${path}`);
  return operation as Record<string, unknown>;
}

Deno.test("findBreaks() finds nothing between a document and itself", async () => {
  deepStrictEqual(await breaksOf(() => {}), []);
});

const BREAKS: Readonly<Record<string, readonly [change: (draft: Draft) => void, found: RegExp]>> = {
  "a removed path": [
    (draft) => Reflect.deleteProperty(draft.paths, "/api/v1/orders/{id}/events"),
    /^GET \/api\/v1\/orders\/\{id\}\/events was removed$/,
  ],
  "a removed operation": [
    (draft) => Reflect.deleteProperty(draft.paths["/api/v1/courier/me"] ?? {}, "patch"),
    /^PATCH \/api\/v1\/courier\/me was removed$/,
  ],
  "a renamed operation": [
    (draft) => operationOf(draft, "get", "/api/v1/me")["operationId"] = "whoAmI",
    /operationId getOwnAccount became whoAmI/,
  ],
  "a role that is no longer let in": [
    (draft) => operationOf(draft, "post", "/api/v1/orders")["x-roles"] = ["customer"],
    /no longer lets merchant in/,
  ],
  "another scope": [
    (draft) => operationOf(draft, "get", "/api/v1/orders")["x-scope"] = "orders:write",
    /scope orders:read became orders:write/,
  ],
  "a credential where none was needed": [
    (draft) => {
      const operation = operationOf(draft, "get", "/api/v1/regions");
      Object.assign(operation, { "x-scope": "any", "x-roles": ["customer"] });
    },
    /GET \/api\/v1\/regions needs a credential now/,
  ],
  "a removed member of an answer": [
    (draft) => Reflect.deleteProperty(schemaOf(draft, "Order", "properties"), "distanceM"),
    /^Order\.distanceM was removed$/,
  ],
  "a member of an answer that may be absent": [
    (draft) => schemaOf(draft, "Order")["required"] = ["id"],
    /^Order\.status may be absent now$/,
  ],
  "a member of an answer that may be null": [
    (draft) => schemaOf(draft, "Order", "properties", "version")["type"] = ["integer", "null"],
    /^Order\.version: the type integer became integer or null$/,
  ],
  "another type in an answer": [
    (draft) => schemaOf(draft, "Order", "properties", "distanceM")["type"] = "string",
    /^Order\.distanceM: the type integer became string$/,
  ],
  "another format in an answer": [
    (draft) => Reflect.deleteProperty(schemaOf(draft, "Order", "properties", "placedAt"), "format"),
    /^Order\.placedAt: the format date-time became undefined$/,
  ],
  "a value that a request may no longer have": [
    (draft) => schemaOf(draft, "CancelCode")["enum"] = ["changed_mind"],
    /^CancelCode no longer takes "ordered_by_mistake"$/,
  ],
  "a new required member of a request": [
    (draft) => schemaOf(draft, "RaiseTip")["required"] = ["tipMinor", "currency"],
    /^RaiseTip\.currency is required now$/,
  ],
  "a removed member of a request": [
    (draft) => Reflect.deleteProperty(schemaOf(draft, "Rating", "properties"), "comment"),
    /^Rating\.comment was removed$/,
  ],
  "a lower maximum": [
    (draft) => schemaOf(draft, "RaiseTip", "properties", "tipMinor")["maximum"] = 1,
    /^RaiseTip\.tipMinor: maximum 100000000 became 1$/,
  ],
  "a pattern where there was none": [
    (draft) => schemaOf(draft, "CancelOrder", "properties", "reason")["pattern"] = "^a",
    /^CancelOrder\.reason: pattern none became \^a$/,
  ],
  "a form of a request that is gone": [
    (draft) => (schemaOf(draft, "PlaceOrder")["oneOf"] as JsonSchema[]).pop(),
    /^PlaceOrder/,
  ],
  "a parameter that is required now": [
    (draft) => {
      const parameters = operationOf(draft, "get", "/api/v1/orders")["parameters"];
      (parameters as Record<string, unknown>[])[0] = {
        name: "status",
        in: "query",
        required: true,
        schema: { $ref: "#/components/schemas/OrderState" },
      };
    },
    /the parameter query status is required now/,
  ],
  "a parameter that is gone": [
    (draft) => (operationOf(draft, "get", "/api/v1/orders")["parameters"] as unknown[]).shift(),
    /the parameter query status was removed/,
  ],
  "a status that is no longer answered": [
    (draft) => {
      const responses = operationOf(draft, "post", "/api/v1/orders")["responses"];
      Reflect.deleteProperty(responses as Record<string, unknown>, "201");
    },
    /POST \/api\/v1\/orders no longer answers 201/,
  ],
  "a body that is required now": [
    (draft) => {
      const path = "/api/v1/merchant/orders/{id}/confirm";
      const body = operationOf(draft, "post", path)["requestBody"];
      (body as Record<string, unknown>)["required"] = true;
    },
    /a body is required now/,
  ],
};

for (const [name, [change, found]] of Object.entries(BREAKS)) {
  Deno.test(`findBreaks() refuses ${name}`, async () => {
    const breaks = await breaksOf(change);
    ok(breaks.some((line) => found.test(line)), `found only: ${breaks.join("; ") || "nothing"}`);
  });
}

Deno.test("findBreaks() lets what only adds pass", async () => {
  deepStrictEqual(
    await breaksOf((draft) => {
      Object.assign(draft.paths, { "/api/v1/new": draft.paths["/api/v1/me"] });
      schemaOf(draft, "Order", "properties")["later"] = { type: "string" };
      (schemaOf(draft, "Order")["required"] as string[]).push("later");
      schemaOf(draft, "Rating", "properties")["later"] = { type: "string" };
      (schemaOf(draft, "CancelCode")["enum"] as string[]).push("later");
      schemaOf(draft, "RaiseTip", "properties", "tipMinor")["maximum"] = 1e12;
      schemaOf(draft, "Reason")["required"] = [];
      (operationOf(draft, "get", "/api/v1/orders")["parameters"] as unknown[]).push({
        name: "later",
        in: "query",
        required: false,
        schema: { type: "string" },
      });
      (operationOf(draft, "post", "/api/v1/auth/password")["x-roles"] as string[]).push("robot");
      Object.assign(operationOf(draft, "post", "/api/v1/orders")["responses"] as object, {
        "418": { description: "New", "x-problem-codes": ["new.code"] },
      });
    }),
    [],
  );
});
