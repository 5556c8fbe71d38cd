/**
 * Whether a value is what a schema of the OpenAPI document promises: the part of JSON Schema 2020-12
 * that the document uses. An unknown keyword is an error, so that nothing is passed over unchecked.
 * Objects are closed: a member that the schema does not name is undocumented.
 */
import type { JsonSchema, OpenApiDocument } from "../../services/gateway/openapi/document.ts";

const KNOWN = new Set([
  "$ref",
  "type",
  "properties",
  "required",
  "additionalProperties",
  "items",
  "enum",
  "const",
  "anyOf",
  "oneOf",
  "allOf",
  "minimum",
  "maximum",
  "exclusiveMinimum",
  "exclusiveMaximum",
  "minLength",
  "maxLength",
  "minItems",
  "maxItems",
  "pattern",
  "format",
  // What follows says nothing about validity.
  "default",
  "description",
  "discriminator",
  "propertyNames",
  "example",
]);

const FORMATS: Readonly<Record<string, (text: string) => boolean>> = {
  "uuid": (text) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text),
  "date-time": (text) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text),
  "date": (text) => /^\d{4}-\d\d-\d\d$/.test(text),
  "email": (text) => text.includes("@"),
};

/** One line for each thing that is not as promised; empty for a value that keeps its schema. */
export function schemaFaults(
  document: OpenApiDocument,
  schema: JsonSchema,
  value: unknown,
  path = "body",
): string[] {
  const named = new Set<string>();
  const faults = check({ document, named }, schema, value, path);
  return faults;
}

interface Checking {
  readonly document: OpenApiDocument;
  /** Members that a branch of the object under check names; `*` when it names all. */
  readonly named: Set<string>;
}

function check(checking: Checking, schema: JsonSchema, value: unknown, path: string): string[] {
  const named = new Set<string>();
  const faults = checkOpen({ ...checking, named }, schema, value, path);
  if (faults.length > 0 || !isObject(value) || named.has("*") || named.size === 0) return faults;
  return Object.keys(value).filter((key) => !named.has(key))
    .map((key) => `${path}.${key} is not documented`);
}

/** As `check`, but leaves it to the caller to look for members that nothing names. */
function checkOpen(checking: Checking, schema: JsonSchema, value: unknown, path: string): string[] {
  const unknown = Object.keys(schema).filter((key) => !KNOWN.has(key) && !key.startsWith("x-"));
  if (unknown.length > 0) return [`${path}: this test does not know ${unknown.join(", ")}`];
  const ref = schema["$ref"];
  if (typeof ref === "string") return checkOpen(checking, target(checking, ref), value, path);
  return [
    ...checkType(schema, value, path),
    ...checkValue(schema, value, path),
    ...checkNumber(schema, value, path),
    ...checkText(schema, value, path),
    ...checkArray(checking, schema, value, path),
    ...checkObject(checking, schema, value, path),
    ...listAt(schema, "allOf").flatMap((branch) => checkOpen(checking, branch, value, path)),
    ...checkAlternatives(checking, schema, value, path),
  ];
}

function target({ document }: Checking, ref: string): JsonSchema {
  const schema = document.components.schemas[ref.replace("#/components/schemas/", "")];
  if (schema === undefined) throw new Error(`Cannot follow ${ref}: there is no such schema`);
  return schema;
}

function checkType({ type }: JsonSchema, value: unknown, path: string): string[] {
  if (type === undefined) return [];
  const types: readonly unknown[] = Array.isArray(type) ? type : [type];
  return types.some((name) => isOfType(name, value))
    ? []
    : [`${path} must be ${types.join(" or ")}: it is ${shown(value)}`];
}

function isOfType(type: unknown, value: unknown): boolean {
  switch (type) {
    case "null":
      return value === null;
    case "array":
      return Array.isArray(value);
    case "object":
      return isObject(value);
    case "integer":
      return Number.isInteger(value);
    case "number":
      return typeof value === "number";
    case "string":
      return typeof value === "string";
    case "boolean":
      return typeof value === "boolean";
    default:
      throw new Error(`Cannot check: there is no type ${shown(type)}`);
  }
}

function checkValue(schema: JsonSchema, value: unknown, path: string): string[] {
  const values = schema["enum"];
  if (Array.isArray(values) && !values.includes(value)) {
    return [`${path} must be one of ${values.join(", ")}: it is ${shown(value)}`];
  }
  if ("const" in schema && schema["const"] !== value) {
    return [`${path} must be ${shown(schema["const"])}: it is ${shown(value)}`];
  }
  return [];
}

function checkNumber(schema: JsonSchema, value: unknown, path: string): string[] {
  if (typeof value !== "number") return [];
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema;
  const isIn = (typeof minimum !== "number" || value >= minimum) &&
    (typeof maximum !== "number" || value <= maximum) &&
    (typeof exclusiveMinimum !== "number" || value > exclusiveMinimum) &&
    (typeof exclusiveMaximum !== "number" || value < exclusiveMaximum);
  return isIn ? [] : [`${path} breaks its bounds: it is ${value}`];
}

function checkText(schema: JsonSchema, value: unknown, path: string): string[] {
  if (typeof value !== "string") return [];
  const { minLength, maxLength, pattern, format } = schema;
  const faults: string[] = [];
  if (typeof minLength === "number" && value.length < minLength) {
    faults.push(`${path} is too short`);
  }
  if (typeof maxLength === "number" && value.length > maxLength) faults.push(`${path} is too long`);
  if (typeof pattern === "string" && !new RegExp(pattern, "u").test(value)) {
    faults.push(`${path} must match ${pattern}: it is ${shown(value)}`);
  }
  if (typeof format === "string") {
    const isFormat = FORMATS[format];
    if (isFormat === undefined) {
      faults.push(`${path}: this test does not know the format ${format}`);
    } else if (!isFormat(value)) faults.push(`${path} must be ${format}: it is ${shown(value)}`);
  }
  return faults;
}

function checkArray(
  checking: Checking,
  schema: JsonSchema,
  value: unknown,
  path: string,
): string[] {
  if (!Array.isArray(value)) return [];
  const { minItems, maxItems } = schema;
  const faults: string[] = [];
  if (typeof minItems === "number" && value.length < minItems) faults.push(`${path} is too short`);
  if (typeof maxItems === "number" && value.length > maxItems) faults.push(`${path} is too long`);
  const items = schema["items"];
  if (!isObject(items)) return faults;
  return [
    ...faults,
    ...value.flatMap((item, index) => check(checking, items, item, `${path}[${index}]`)),
  ];
}

function checkObject(
  checking: Checking,
  schema: JsonSchema,
  value: unknown,
  path: string,
): string[] {
  if (!isObject(value)) return [];
  const properties = isObject(schema["properties"]) ? schema["properties"] : {};
  for (const name of Object.keys(properties)) checking.named.add(name);
  const others = schema["additionalProperties"];
  const required: readonly unknown[] = Array.isArray(schema["required"]) ? schema["required"] : [];
  const faults = required.filter((name) => !Object.hasOwn(value, String(name)))
    .map((name) => `${path}.${name} is missing`);
  for (const [name, member] of Object.entries(value)) {
    const property = properties[name];
    if (isObject(property)) faults.push(...check(checking, property, member, `${path}.${name}`));
    else if (others === false) faults.push(`${path}.${name} is not documented`);
    else if (isObject(others)) {
      checking.named.add(name);
      faults.push(...check(checking, others, member, `${path}.${name}`));
    }
  }
  const saysNothing = Object.keys(properties).length === 0 && schema["type"] === "object";
  if (saysNothing && others === undefined) checking.named.add("*");
  return faults;
}

function checkAlternatives(
  checking: Checking,
  schema: JsonSchema,
  value: unknown,
  path: string,
): string[] {
  const branches = [...listAt(schema, "anyOf"), ...listAt(schema, "oneOf")];
  if (branches.length === 0) return [];
  const results = branches.map((branch) => {
    const named = new Set<string>();
    return { faults: checkOpen({ ...checking, named }, branch, value, path), named };
  });
  const fitting = results.filter(({ faults }) => faults.length === 0);
  for (const { named } of fitting) for (const name of named) checking.named.add(name);
  if (fitting.length > 0) return [];
  const nearest = results.toSorted((a, b) => a.faults.length - b.faults.length)[0];
  return nearest?.faults ?? [];
}

function listAt(schema: JsonSchema, key: string): JsonSchema[] {
  const list = schema[key];
  return Array.isArray(list) ? list : [];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? String(value)).slice(0, 80);
}
