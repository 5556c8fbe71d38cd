/**
 * Whether the catalogue can still be read by who knows its released form, and the other way round:
 * during a rollout old and new processes share streams, and the outbox and parked events hold old
 * data for days. A change is compatible when old events still have the new shape, and new events
 * give old readers all they know. Pure.
 */
import { z } from "zod";

/** A JSON Schema, as plain data. */
export type JsonSchema = { readonly [keyword: string]: unknown };

/** One event of a catalogue, as plain data. */
export interface EventSchema {
  readonly version: number;
  readonly data: JsonSchema;
}

/** Event schemas by name. */
export type CatalogueSchema = Readonly<Record<string, EventSchema>>;

const jsonSchema = z.record(z.string(), z.unknown());
const catalogueSchema = z.record(
  z.string(),
  z.object({ version: z.int().min(1), data: jsonSchema }),
);

/** What a catalogue (`EVENTS`) is to this file. */
export type Catalogue = Readonly<
  Record<string, { readonly version: number; readonly data: z.ZodType }>
>;

/**
 * A catalogue as JSON schemas of what may stand on a stream. Patterns of known formats are left
 * out: they belong to the version of zod and not to ours.
 */
export function schemaOf(catalogue: Catalogue): CatalogueSchema {
  return Object.fromEntries(
    Object.entries(catalogue).map(([name, { version, data }]) => {
      const { $schema: _, ...schema } = z.toJSONSchema(data, {
        io: "input",
        override: ({ jsonSchema }) => {
          if (jsonSchema.format !== undefined) delete jsonSchema.pattern;
        },
      });
      // Through JSON, so that it compares equal to the same schema read from a file.
      return [name, { version, data: jsonSchema.parse(JSON.parse(JSON.stringify(schema))) }];
    }),
  );
}

/** Reads a snapshot. @throws ZodError when it is not one. */
export function parseSnapshot(json: string): CatalogueSchema {
  return catalogueSchema.parse(JSON.parse(json));
}

/** One sentence per change that breaks a reader, each with what to do instead. */
export function findBreaks(released: CatalogueSchema, current: CatalogueSchema): string[] {
  return Object.entries(released).flatMap(([name, old]) => {
    const now = current[name];
    if (now === undefined) {
      return [
        `${name} was removed or renamed: keep it; add a new event beside it for a new meaning`,
      ];
    }
    if (now.version < old.version) {
      return [
        `${name} went from version ${old.version} down to ${now.version}: versions only grow`,
      ];
    }
    const found = compareObjects(name, old.data, now.data);
    if (found.length === 0 && now.version === old.version && !isEqual(old.data, now.data)) {
      const next = old.version + 1;
      found.push(`${name} changed and is still version ${old.version}: raise it to ${next}`);
    }
    return found;
  });
}

function compareObjects(path: string, old: JsonSchema, now: JsonSchema): string[] {
  const oldFields = propertiesOf(old);
  const nowFields = propertiesOf(now);
  const found: string[] = [];
  for (const [name, schema] of Object.entries(oldFields)) {
    const field = `${path}: ${name}`;
    const present = nowFields[name];
    if (present === undefined) {
      found.push(`${field} was removed or renamed: keep it, and add a new field beside it`);
      continue;
    }
    found.push(...compareTypes(field, schema, present));
    if (isRequired(old, name) && !isRequired(now, name)) {
      found.push(`${field} became optional: readers count on it, go on writing it`);
    }
    if (!isRequired(old, name) && isRequired(now, name)) found.push(requiredText(field));
  }
  for (const name of Object.keys(nowFields)) {
    if (oldFields[name] === undefined && isRequired(now, name)) {
      found.push(requiredText(`${path}: ${name}`));
    }
  }
  return found;
}

function requiredText(field: string): string {
  return `${field} is required, and events that are already written lack it: ` +
    "make it optional and raise the version";
}

/** A new type must take all that the old one took, and nothing that an old reader cannot know. */
function compareTypes(field: string, old: JsonSchema, now: JsonSchema): string[] {
  if (isEqual(old, now)) return [];
  const oldKinds = alternativesOf(old);
  const nowKinds = alternativesOf(now);
  if (oldKinds.length > 1 || nowKinds.length > 1) {
    return compareAlternatives(field, oldKinds, nowKinds);
  }
  if (old["type"] === "object" && now["type"] === "object") {
    return compareObjects(field, old, now);
  }
  if (old["type"] === "array" && now["type"] === "array" && isEqualBut(old, now, ["items"])) {
    return compareTypes(`${field}[]`, schemaAt(old, "items"), schemaAt(now, "items"));
  }
  if (Array.isArray(old["enum"]) && Array.isArray(now["enum"]) && isEqualBut(old, now, ["enum"])) {
    return compareEnums(field, old["enum"], now["enum"]);
  }
  if (isEqualBut(old, now, ["minimum", "maximum"])) return compareBounds(field, old, now);
  return [changedText(field, old, now)];
}

function compareAlternatives(
  field: string,
  old: readonly JsonSchema[],
  now: readonly JsonSchema[],
): string[] {
  const kinds = (schemas: readonly JsonSchema[]) => schemas.map((schema) => schema["type"]);
  // Told apart by their types, as in text or null; anything finer counts as another type.
  const byType = new Map(now.map((schema) => [schema["type"], schema]));
  if (byType.size !== now.length || !isEqual(kinds(old).toSorted(), kinds(now).toSorted())) {
    return [changedText(field, { anyOf: old }, { anyOf: now })];
  }
  return old.flatMap((schema) => compareTypes(field, schema, byType.get(schema["type"]) ?? {}));
}

function compareEnums(field: string, old: readonly unknown[], now: readonly unknown[]): string[] {
  const gone = old.filter((value) => !now.includes(value));
  if (gone.length === 0) return [];
  return [
    `${field} no longer takes ${gone.map((value) => JSON.stringify(value)).join(", ")}: keep it, ` +
    "events that are already written have it",
  ];
}

function compareBounds(field: string, old: JsonSchema, now: JsonSchema): string[] {
  const bound = (schema: JsonSchema, name: string, none: number) =>
    typeof schema[name] === "number" ? schema[name] : none;
  const isNarrower = bound(now, "minimum", -Infinity) > bound(old, "minimum", -Infinity) ||
    bound(now, "maximum", Infinity) < bound(old, "maximum", Infinity);
  return isNarrower
    ? [`${field} takes a smaller range: keep it, events that are already written use it`]
    : [];
}

function changedText(field: string, old: JsonSchema, now: JsonSchema): string {
  return `${field} changed its type from ${JSON.stringify(old)} to ${JSON.stringify(now)}: ` +
    "keep it, and add a new field beside it";
}

/** The fields of an object schema; empty when it has none. */
export function propertiesOf(schema: JsonSchema): Readonly<Record<string, JsonSchema>> {
  return z.record(z.string(), jsonSchema).parse(schema["properties"] ?? {});
}

/** Whether an object schema demands a field. */
export function isRequired(schema: JsonSchema, name: string): boolean {
  return Array.isArray(schema["required"]) && schema["required"].includes(name);
}

/** What a schema allows side by side: the parts of its `anyOf`, each of its types, or itself. */
export function alternativesOf(schema: JsonSchema): JsonSchema[] {
  const { type } = schema;
  if (schema["anyOf"] !== undefined) return z.array(jsonSchema).parse(schema["anyOf"]);
  if (!Array.isArray(type)) return [schema];
  return type.map((one) => one === "null" ? { type: one } : { ...schema, type: one });
}

/** The schema under a keyword, as that of an array's items. */
export function schemaAt(schema: JsonSchema, keyword: string): JsonSchema {
  return jsonSchema.parse(schema[keyword] ?? {});
}

function isEqualBut(a: JsonSchema, b: JsonSchema, keywords: readonly string[]): boolean {
  const rest = (schema: JsonSchema) =>
    Object.fromEntries(Object.entries(schema).filter(([name]) => !keywords.includes(name)));
  return isEqual(rest(a), rest(b));
}

/** Equal as JSON, whatever the order of names. */
function isEqual(a: unknown, b: unknown): boolean {
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1).map(([name, inner]) => [
      name,
      name === "required" && Array.isArray(inner) ? inner.toSorted() : sorted(inner),
    ]),
  );
}
