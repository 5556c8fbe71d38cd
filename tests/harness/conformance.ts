/** Every answer of the API in tests, held against what the OpenAPI document says of it. */
import assert from "node:assert/strict";
import {
  type DocumentedResponse,
  type OpenApiDocument,
  operationsOf,
  type PlacedOperation,
  responsesOf,
} from "../../services/gateway/openapi/document.ts";
import { schemaFaults } from "./json_schema.ts";

/** Paths that are pages for people, not API. */
const PAGES = /^\/($|assets\/|t\/|favicon\.ico$)/;
/** What a request answers that reached no operation. */
const NO_OPERATION = ["route.not_found", "route.method_not_allowed"];

export interface AnswerFacts {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: unknown;
}

/** The operation that a request is for; undefined where there is none. */
export function findOperation(
  document: OpenApiDocument,
  method: string,
  path: string,
): PlacedOperation | undefined {
  const pathname = path.split("?")[0] ?? "";
  const fitting = operationsOf(document).filter((operation) =>
    operation.method === method && patternOf(operation.path).test(pathname)
  );
  // `/orders/batch` is itself before it is an id.
  return fitting.toSorted((a, b) => a.path.split("{").length - b.path.split("{").length)[0];
}

function patternOf(template: string): RegExp {
  return new RegExp(`^${template.replaceAll(".", "\\.").replaceAll(/\{\w+\}/g, "[^/]+")}$`);
}

/** @throws AssertionError where an answer is not as documented. */
export function assertConforms(
  document: OpenApiDocument,
  method: string,
  path: string,
  answer: AnswerFacts,
): void {
  const seen = `${method} ${path}: ${answer.status} ${answer.text.slice(0, 500)}`;
  const found = findOperation(document, method === "HEAD" ? "GET" : method, path);
  if (found === undefined) {
    if (method === "OPTIONS" || PAGES.test(path)) return;
    const code = codeOf(answer.json);
    assert.ok(NO_OPERATION.includes(code), `served, but not documented: ${seen}`);
    return;
  }
  const { operation } = found;
  if (answer.status === 304) return;
  const response = responsesOf(document, operation)[String(answer.status)];
  assert.ok(response !== undefined, `this status is not documented: ${seen}`);
  if (answer.status >= 400) {
    const codes = response["x-problem-codes"] ?? [];
    assert.ok(codes.includes(codeOf(answer.json)), `this code is not documented: ${seen}`);
  }
  for (const name of Object.keys(response.headers ?? {})) {
    if (name !== "x-request-id") continue;
    assert.ok(answer.headers.has(name), `the header ${name} is missing: ${seen}`);
  }
  if (method !== "HEAD") assertBody(document, response, answer, seen);
}

/** @throws AssertionError where a frame of a live connection is not of the named shape. */
export function assertFrames(
  document: OpenApiDocument,
  shape: string,
  frames: readonly unknown[],
): void {
  const schema = document.components.schemas[shape];
  assert.ok(schema !== undefined, `${shape} is not documented`);
  for (const frame of frames) {
    assert.deepEqual(
      schemaFaults(document, schema, frame, shape),
      [],
      JSON.stringify(frame).slice(0, 300),
    );
  }
}

function assertBody(
  document: OpenApiDocument,
  { content }: DocumentedResponse,
  { headers, text, json }: AnswerFacts,
  seen: string,
): void {
  if (content === undefined) {
    assert.equal(text, "", `a body is not documented: ${seen}`);
    return;
  }
  const type = (headers.get("content-type") ?? "").split(";")[0] ?? "";
  const media = content[type];
  assert.ok(media !== undefined, `the type ${type} is not documented: ${seen}`);
  // Packed bytes are no text to look into; they are asked for plain elsewhere.
  if (!type.endsWith("json") || headers.has("content-encoding")) return;
  assert.deepEqual(schemaFaults(document, media.schema, json), [], seen);
}

function codeOf(json: unknown): string {
  return typeof json === "object" && json !== null && "code" in json ? String(json.code) : "";
}
