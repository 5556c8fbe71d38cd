/**
 * Values that a schema refuses, made from one that it takes: each differs in one place. Only what the
 * schema itself calls wrong is given, so that whoever takes it contradicts the document. Pure.
 */
import {
  type JsonSchema,
  type OpenApiDocument,
  resolved,
} from "../../services/gateway/openapi/document.ts";
import { schemaFaults } from "./json_schema.ts";

export interface Spoiled {
  /** What was done, as `items.0.quantity := -1`. */
  readonly what: string;
  /** JSON text: some wrong values, as 1e999, no JavaScript value stands for. */
  readonly text: string;
}

/** Members that only the service decides about. */
const ASSIGNED: Readonly<Record<string, unknown>> = {
  id: "0195a1c0-5d2e-7b3a-9f10-3c5d7e9a1bff",
  status: "delivered",
  courierId: "0195a1c0-5d2e-7b3a-9f10-3c5d7e9a1bff",
  customerId: "0195a1c0-5d2e-7b3a-9f10-3c5d7e9a1bff",
  fee: 0,
  deliveryMinor: 0,
  priceMinor: 1,
  mode: "test",
  role: "admin",
  version: 9,
  suspendedAt: null,
  // Names that a careless copy would hang itself on.
  constructor: 1,
  toString: 1,
};

/** Marks in JSON text where a number stands that JavaScript cannot write. */
const INFINITE = "<<1e999>>";

const WRONG: readonly unknown[] = [
  null,
  true,
  "",
  "NaN",
  "Infinity",
  "-1",
  "text",
  "\u0000",
  "x".repeat(40_000),
  -1,
  0,
  1.5,
  181,
  -181,
  1e308,
  -1e308,
  2 ** 53,
  INFINITE,
  [],
  {},
  Array.from({ length: 2_000 }, () => 0),
];

/** Every way to spoil a value in one place. */
export function spoil(document: OpenApiDocument, schema: JsonSchema, value: unknown): Spoiled[] {
  const wrong = [...variants(document, schema, value, [])];
  return wrong.flatMap(({ path, replaced }) => {
    // An infinite number is refused by every schema of ours: all numbers have bounds.
    const text = JSON.stringify(replaced).replaceAll(`"${INFINITE}"`, "1e999");
    if (schemaFaults(document, schema, JSON.parse(text)).length === 0) return [];
    return [{ what: path, text }];
  });
}

interface Variant {
  readonly path: string;
  readonly replaced: unknown;
}

function* variants(
  document: OpenApiDocument,
  schema: JsonSchema,
  value: unknown,
  path: readonly string[],
): Generator<Variant> {
  const name = path.join(".") || "body";
  for (const wrong of WRONG) {
    yield { path: `${name} := ${JSON.stringify(wrong).slice(0, 30)}`, replaced: wrong };
  }
  if (Array.isArray(value)) {
    for (const [index, item] of value.slice(0, 1).entries()) {
      for (const { path: at, replaced } of variants(document, {}, item, [...path, `${index}`])) {
        yield { path: at, replaced: [replaced, ...value.slice(1)] };
      }
    }
    return;
  }
  if (typeof value !== "object" || value === null) return;
  const members: Record<string, unknown> = { ...optionalMembers(document, schema), ...value };
  for (const [key, member] of Object.entries(members)) {
    const rest = Object.fromEntries(Object.entries(value).filter(([other]) => other !== key));
    yield { path: `${[...path, key].join(".")} left out`, replaced: rest };
    for (const { path: at, replaced } of variants(document, {}, member, [...path, key])) {
      yield { path: at, replaced: { ...value, [key]: replaced } };
    }
  }
  for (const [key, wrong] of Object.entries(ASSIGNED)) {
    if (Object.hasOwn(members, key)) continue;
    yield { path: `${[...path, key].join(".")} assigned`, replaced: { ...value, [key]: wrong } };
  }
}

/** Members that the example leaves out, so that they are spoiled too. */
function optionalMembers(document: OpenApiDocument, schema: JsonSchema): Record<string, unknown> {
  const own = resolved(document, schema);
  const properties = own["properties"];
  if (typeof properties !== "object" || properties === null) return {};
  return Object.fromEntries(Object.keys(properties).map((key) => [key, null]));
}
