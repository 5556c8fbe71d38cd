/**
 * Whether who was written against an older document still works with the present one (the promise
 * of /api/v1). Requests may only be taken more widely: every body and query that was taken must
 * still be. Answers may only say more: every member that was promised must still come, with no type
 * that a reader cannot know. New operations, optional fields, members of answers, problem codes and
 * values of an answer's enumeration are no breaks; docs/api.md asks clients to bear them. Pure.
 */
import {
  type JsonSchema,
  type OpenApiDocument,
  type Operation,
  operationsOf,
  parametersOf,
  resolved,
  responsesOf,
  schemaNameOf,
} from "./document.ts";

/** Which side writes a value: the client in `request`, the gateway in `answer`. */
type Direction = "request" | "answer";

interface Comparison {
  readonly old: OpenApiDocument;
  readonly now: OpenApiDocument;
  readonly direction: Direction;
  /** Pairs of named schemas already under comparison, which may hold themselves. */
  readonly seen: Set<string>;
}

/** One sentence for each change that breaks a client; empty when nothing does. */
export function findBreaks(old: OpenApiDocument, now: OpenApiDocument): string[] {
  const present = new Map(operationsOf(now).map((placed) => [placed.name, placed.operation]));
  const found = operationsOf(old).flatMap(({ name, operation }) => {
    const current = present.get(name);
    if (current === undefined) return [`${name} was removed`];
    return [
      ...compareAccess(name, operation, current),
      ...compareParameters(name, { old, now }, operation, current),
      ...compareRequest(name, { old, now }, operation, current),
      ...compareAnswers(name, { old, now }, operation, current),
    ];
  });
  return [...new Set(found)];
}

type Documents = Pick<Comparison, "old" | "now">;

function comparison(documents: Documents, direction: Direction): Comparison {
  return { ...documents, direction, seen: new Set() };
}

function compareAccess(name: string, old: Operation, now: Operation): string[] {
  const found: string[] = [];
  if (old.operationId !== now.operationId) {
    found.push(`${name}: operationId ${old.operationId} became ${now.operationId}`);
  }
  if (old["x-scope"] === undefined && now["x-scope"] !== undefined) {
    found.push(`${name} needs a credential now`);
  }
  const isOther = old["x-scope"] !== now["x-scope"] && now["x-scope"] !== undefined &&
    now["x-scope"] !== "any";
  if (old["x-scope"] !== undefined && isOther) {
    found.push(`${name}: scope ${old["x-scope"]} became ${now["x-scope"]}`);
  }
  if (now["x-roles"] === undefined) return found;
  const gone = (old["x-roles"] ?? []).filter((role) => !now["x-roles"]?.includes(role));
  for (const role of gone) found.push(`${name} no longer lets ${role} in`);
  return found;
}

function compareParameters(
  name: string,
  documents: Documents,
  old: Operation,
  now: Operation,
): string[] {
  const keyOf = (parameter: { in: string; name: string }) => `${parameter.in} ${parameter.name}`;
  const oldOnes = new Map(parametersOf(documents.old, old).map((one) => [keyOf(one), one]));
  const nowOnes = new Map(parametersOf(documents.now, now).map((one) => [keyOf(one), one]));
  const gone = [...oldOnes.keys()].filter((key) => !nowOnes.has(key))
    .map((key) => `${name}: the parameter ${key} was removed, so sending it is refused`);
  const changed = [...nowOnes].flatMap(([key, parameter]) => {
    const before = oldOnes.get(key);
    if (parameter.required === true && before?.required !== true) {
      return [`${name}: the parameter ${key} is required now`];
    }
    if (before === undefined) return [];
    const where = `${name}: ${key}`;
    return compare(where, comparison(documents, "request"), before.schema, parameter.schema);
  });
  return [...gone, ...changed];
}

function compareRequest(
  name: string,
  documents: Documents,
  old: Operation,
  now: Operation,
): string[] {
  const { requestBody: before } = old;
  const { requestBody: after } = now;
  if (after === undefined) return before === undefined ? [] : [`${name} takes no body any more`];
  const isNeeded = after.required === true && before?.required !== true;
  const found = isNeeded ? [`${name}: a body is required now`] : [];
  for (const [type, { schema }] of Object.entries(before?.content ?? {})) {
    const media = after.content[type];
    if (media === undefined) found.push(`${name} takes no ${type} any more`);
    else {
      const { schema: current } = media;
      found.push(...compare(`${name} request`, comparison(documents, "request"), schema, current));
    }
  }
  return found;
}

function compareAnswers(
  name: string,
  documents: Documents,
  old: Operation,
  now: Operation,
): string[] {
  const present = responsesOf(documents.now, now);
  return Object.entries(responsesOf(documents.old, old)).flatMap(([status, response]) => {
    // Fewer reasons to refuse break nobody.
    if (Number(status) >= 400) return [];
    const current = present[status];
    if (current === undefined) return [`${name} no longer answers ${status}`];
    return Object.entries(response.content ?? {}).flatMap(([type, { schema }]) => {
      const media = current.content?.[type];
      if (media === undefined) return [`${name} ${status} has no ${type} any more`];
      const where = `${name} ${status}`;
      return compare(where, comparison(documents, "answer"), schema, media.schema);
    });
  });
}

function compare(path: string, at: Comparison, old: JsonSchema, now: JsonSchema): string[] {
  const [oldName, nowName] = [schemaNameOf(old), schemaNameOf(now)];
  const where = oldName ?? path;
  if (oldName !== undefined) {
    const pair = `${oldName} ${nowName}`;
    if (at.seen.has(pair)) return [];
    at.seen.add(pair);
  }
  const before = merged(at.old, old);
  const after = merged(at.now, now);
  const oldBranches = branchesOf(before);
  const nowBranches = branchesOf(after);
  if (oldBranches.length > 1 || nowBranches.length > 1) {
    return compareBranches(where, at, oldBranches, nowBranches);
  }
  return [
    ...compareTypes(where, at, before, after),
    ...compareValues(where, at, before, after),
    ...compareBounds(where, at, before, after),
    ...compareObjects(where, at, before, after),
    ...compareItems(where, at, before, after),
  ];
}

/** A schema without its reference, the parts of `allOf` in one object. */
function merged(document: OpenApiDocument, schema: JsonSchema): JsonSchema {
  const { allOf, ...own } = resolved(document, schema);
  if (!Array.isArray(allOf)) return own;
  const parts = [...allOf.map((part: JsonSchema) => merged(document, part)), own];
  return parts.reduce((sum, part) => ({
    ...sum,
    ...part,
    properties: { ...objectAt(sum, "properties"), ...objectAt(part, "properties") },
    required: [...listAt(sum, "required"), ...listAt(part, "required")],
  }));
}

function branchesOf(schema: JsonSchema): JsonSchema[] {
  const branches = [...listAt(schema, "anyOf"), ...listAt(schema, "oneOf")] as JsonSchema[];
  return branches.length > 0 ? branches : [schema];
}

/** Whoever is read needs, for each form it may be sent, a form that it knows. */
function compareBranches(
  path: string,
  at: Comparison,
  old: readonly JsonSchema[],
  now: readonly JsonSchema[],
): string[] {
  const isRequest = at.direction === "request";
  return (isRequest ? old : now).flatMap((form) => {
    const results = (isRequest ? now : old).map((other) => {
      const fresh = { ...at, seen: new Set(at.seen) };
      return isRequest ? compare(path, fresh, form, other) : compare(path, fresh, other, form);
    });
    const nearest = results.toSorted((a, b) => a.length - b.length)[0];
    return nearest ?? [`${path} has no form any more`];
  });
}

function compareTypes(path: string, at: Comparison, old: JsonSchema, now: JsonSchema): string[] {
  const [wide, narrow] = at.direction === "request" ? [now, old] : [old, now];
  const allowed = typesOf(wide);
  if (allowed.length === 0) return [];
  const sent = typesOf(narrow);
  const foreign = sent.filter((type) =>
    !allowed.includes(type) && !(type === "integer" && allowed.includes("number"))
  );
  if (sent.length > 0 && foreign.length === 0) return [];
  const text = (types: readonly string[]) => types.join(" or ") || "anything";
  return [`${path}: the type ${text(typesOf(old))} became ${text(typesOf(now))}`];
}

function typesOf({ type, enum: values }: JsonSchema): string[] {
  if (Array.isArray(type)) return type;
  if (typeof type === "string") return [type];
  return Array.isArray(values) ? [...new Set(values.map((value) => typeof value))] : [];
}

function compareValues(path: string, at: Comparison, old: JsonSchema, now: JsonSchema): string[] {
  // An answer may get new values; a request must still take the old ones.
  if (at.direction === "answer") {
    return valuesOf(old) !== undefined && valuesOf(now) === undefined
      ? [`${path}: it is no longer one of a list of values`]
      : [];
  }
  const taken = valuesOf(now);
  if (taken === undefined) return [];
  const before = valuesOf(old);
  if (before === undefined) return [`${path} is limited to ${taken.join(", ")} now`];
  return before.filter((value) => !taken.includes(value))
    .map((value) => `${path} no longer takes ${JSON.stringify(value)}`);
}

function valuesOf(schema: JsonSchema): unknown[] | undefined {
  if ("const" in schema) return [schema["const"]];
  return Array.isArray(schema["enum"]) ? schema["enum"] : undefined;
}

const LOWER = ["minimum", "exclusiveMinimum", "minLength", "minItems"];
const UPPER = ["maximum", "exclusiveMaximum", "maxLength", "maxItems"];
const SHAPES = ["pattern", "format"];

function compareBounds(path: string, at: Comparison, old: JsonSchema, now: JsonSchema): string[] {
  const isFormatLost = old["format"] !== undefined && old["format"] !== now["format"];
  if (at.direction === "answer") {
    return isFormatLost ? [`${path}: the format ${old["format"]} became ${now["format"]}`] : [];
  }
  const bound = (schema: JsonSchema, name: string, none: number) =>
    typeof schema[name] === "number" ? schema[name] : none;
  const narrower = [
    ...LOWER.filter((name) => bound(now, name, -Infinity) > bound(old, name, -Infinity)),
    ...UPPER.filter((name) => bound(now, name, Infinity) < bound(old, name, Infinity)),
    ...SHAPES.filter((name) => now[name] !== undefined && now[name] !== old[name]),
  ];
  return narrower.map((name) => `${path}: ${name} ${old[name] ?? "none"} became ${now[name]}`);
}

function compareObjects(path: string, at: Comparison, old: JsonSchema, now: JsonSchema): string[] {
  const [before, after] = [objectAt(old, "properties"), objectAt(now, "properties")];
  const found: string[] = [];
  for (const [name, schema] of Object.entries(before)) {
    const member = `${path}.${name}`;
    const current = after[name];
    if (current === undefined) {
      const isTaken = at.direction === "request" && now["additionalProperties"] !== false;
      if (!isTaken) found.push(`${member} was removed`);
    } else found.push(...compare(member, at, schema as JsonSchema, current as JsonSchema));
  }
  const [wasNeeded, isNeeded] = [listAt(old, "required"), listAt(now, "required")];
  if (at.direction === "request") {
    const added = isNeeded.filter((name) => !wasNeeded.includes(name));
    found.push(...added.map((name) => `${path}.${name} is required now`));
    if (now["additionalProperties"] === false && old["additionalProperties"] !== false) {
      found.push(`${path} no longer takes other members`);
    }
    return found;
  }
  const lost = wasNeeded.filter((name) =>
    !isNeeded.includes(name) && Object.hasOwn(after, `${name}`)
  );
  return [...found, ...lost.map((name) => `${path}.${name} may be absent now`)];
}

function compareItems(path: string, at: Comparison, old: JsonSchema, now: JsonSchema): string[] {
  const found: string[] = [];
  for (const [keyword, mark] of [["items", "[]"], ["additionalProperties", "{}"]] as const) {
    const [before, after] = [old[keyword], now[keyword]];
    if (!isSchema(before) || !isSchema(after)) continue;
    found.push(...compare(`${path}${mark}`, at, before, after));
  }
  return found;
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === "object" && value !== null;
}

function objectAt(schema: JsonSchema, key: string): Record<string, unknown> {
  const value = schema[key];
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function listAt(schema: JsonSchema, key: string): unknown[] {
  const value = schema[key];
  return Array.isArray(value) ? value : [];
}
