/** Schemas and prose of the document as HTML. Pure. */
import { type JsonSchema, schemaNameOf } from "./document.ts";

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text as it may stand between tags and in attributes. */
export function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
}

/** Prose with blank lines and `code`. */
export function paragraphs(text: string): string {
  return text.split("\n\n").filter((part) => part !== "")
    .map((part) => `<p>${escaped(part).replaceAll(/`([^`]+)`/g, "<code>$1</code>")}</p>`)
    .join("\n");
}

/** A type in words, named shapes as links. */
export function typeHtml(schema: JsonSchema): string {
  const name = schemaNameOf(schema);
  if (name !== undefined) return `<a href="#schema-${name}">${name}</a>`;
  for (
    const [keyword, word] of [["anyOf", " or "], ["oneOf", " or "], ["allOf", " and "]] as const
  ) {
    const parts: unknown = schema[keyword];
    if (Array.isArray(parts)) return parts.map((part: JsonSchema) => typeHtml(part)).join(word);
  }
  if (Array.isArray(schema["enum"])) return schema["enum"].map(valueHtml).join(" or ");
  if ("const" in schema) return valueHtml(schema["const"]);
  const { type } = schema;
  if (Array.isArray(type)) {
    return type.map((one) => typeHtml({ ...schema, type: one })).join(" or ");
  }
  return plainHtml(schema);
}

function plainHtml(schema: JsonSchema): string {
  const { type, format } = schema;
  if (type === "array") return `list of ${typeHtml((schema["items"] ?? {}) as JsonSchema)}`;
  if (type === "object") return objectHtml(schema);
  if (type === "string" && typeof format === "string") return escaped(format);
  return typeof type === "string" ? type : "anything";
}

function objectHtml(schema: JsonSchema): string {
  const properties = (schema["properties"] ?? {}) as Record<string, JsonSchema>;
  const required: unknown = schema["required"];
  const members = Object.entries(properties).map(([name, member]) => {
    const mark = Array.isArray(required) && required.includes(name) ? "" : "?";
    return `<li><code>${escaped(name)}${mark}</code>: ${typeHtml(member)}</li>`;
  });
  return members.length === 0 ? "object" : `object<ul class="members">${members.join("")}</ul>`;
}

const BOUNDS: readonly (readonly [keyword: string, text: string])[] = [
  ["minimum", "at least"],
  ["exclusiveMinimum", "more than"],
  ["maximum", "at most"],
  ["exclusiveMaximum", "less than"],
  ["minLength", "characters: at least"],
  ["maxLength", "characters: at most"],
  ["minItems", "entries: at least"],
  ["maxItems", "entries: at most"],
  ["pattern", "matches"],
  ["default", "if left out:"],
];

/** What bounds a value, in words. */
export function descriptionOf(schema: JsonSchema): string {
  const bounds = BOUNDS.flatMap(([keyword, text]) => {
    const bound = schema[keyword];
    if (bound === undefined || Math.abs(Number(bound)) === Number.MAX_SAFE_INTEGER) return [];
    const shown = typeof bound === "string" ? bound : JSON.stringify(bound);
    return [`${text} <code>${escaped(shown)}</code>`];
  });
  return bounds.join(", ");
}

function valueHtml(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return `<code>${escaped(text)}</code>`;
}
