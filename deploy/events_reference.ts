/**
 * `deno task events:reference [--release]`: writes `docs/events.md` from the catalogue. With
 * `--release` also the snapshot of the released catalogue, unless it would break its readers.
 */
import { type Envelope, EVENTS } from "shared/events/catalogue.ts";
import {
  alternativesOf,
  type CatalogueSchema,
  findBreaks,
  isRequired,
  type JsonSchema,
  parseSnapshot,
  propertiesOf,
  schemaAt,
  schemaOf,
} from "shared/events/compatibility.ts";

/** The page that is written. */
export const EVENTS_PAGE: URL = new URL("../docs/events.md", import.meta.url);
/** The catalogue as it was at the last release. */
export const SNAPSHOT_FILE: URL = new URL(
  "../shared/events/catalogue_snapshot.json",
  import.meta.url,
);

/** Longest line of prose, as the formatter has it. */
const WIDTH = 100;

/** Every field of the envelope: one that is missing here does not compile. */
const ENVELOPE: Readonly<Record<keyof Envelope, readonly [type: string, about: string]>> = {
  id: ["UUID", "the event's own id; a stream may repeat an event, with the same id"],
  type: ["text", "name of the event"],
  version: ["integer", "version of the event's fields"],
  region: ["text", "region it belongs to"],
  key: ["UUID", "order or courier; order is promised within a key only"],
  occurredAt: ["instant", "when it was committed"],
  trace: ["text or null", "W3C traceparent of what caused it"],
  data: ["object", "the fields below"],
};

const HEAD = "Made by `deno task events:reference` from [shared/events/catalogue.ts]" +
  "(../shared/events/catalogue.ts): do not edit. Events are past facts. Each stands as JSON in the " +
  "field `event` of an entry of the stream `events:{region:shard}`, in this envelope:";

const RULES = "An instant is ISO 8601 in UTC. A field that is added is optional and raises the " +
  "version; nothing is removed or renamed, and a type never changes. Readers ignore events and " +
  "fields they do not know.";

/** The text of `docs/events.md`. */
export function eventsPage(
  catalogue: CatalogueSchema,
  aboutOf: (name: string) => string,
): string {
  const envelope = Object.entries(ENVELOPE).map(([name, [type, about]]) => [
    code(name),
    type,
    about,
  ]);
  const sections = Object.entries(catalogue).map(([name, { version, data }]) => {
    const fields = Object.entries(propertiesOf(data)).map(([field, schema]) => [
      code(field),
      typeText(schema) + (isRequired(data, field) ? "" : ", may be absent"),
    ]);
    const about = wrap(`${aboutOf(name)}. Version ${version}.`);
    return [`## ${code(name)}`, about, table(["field", "type"], fields)].join("\n\n");
  });
  const head = [
    "# Events",
    wrap(HEAD),
    table(["field", "type", "meaning"], envelope),
    wrap(RULES),
  ];
  return [...head, ...sections].join("\n\n") + "\n";
}

/** A schema in words: `integer, at least 1`, `"a" or "b"`, `text or null`. */
export function typeText(schema: JsonSchema): string {
  const alternatives = alternativesOf(schema);
  if (alternatives.length > 1) return alternatives.map(typeText).join(" or ");
  if (Array.isArray(schema["enum"])) return schema["enum"].map(valueText).join(" or ");
  if (schema["const"] !== undefined) return valueText(schema["const"]);
  switch (schema["type"]) {
    case "string":
      return stringText(schema["format"]);
    case "integer":
    case "number":
      return numberText(schema);
    case "array":
      return `list of: ${typeText(schemaAt(schema, "items"))}`;
    case "object":
      return `object with ${
        Object.entries(propertiesOf(schema)).map(([name, inner]) =>
          `${code(name)} (${typeText(inner)})`
        ).join(", ")
      }`;
    case "boolean":
    case "null":
      return schema["type"];
    default:
      throw new Error(`Cannot describe a type: the reference knows no ${JSON.stringify(schema)}`);
  }
}

function stringText(format: unknown): string {
  if (format === "uuid") return "UUID";
  if (format === "date-time") return "instant";
  return format === undefined ? "text" : `text (${format})`;
}

/** Bounds that only say "exactly representable" are not worth a word. */
function numberText({ type, minimum, maximum }: JsonSchema): string {
  const parts = [String(type)];
  if (typeof minimum === "number" && minimum > Number.MIN_SAFE_INTEGER) {
    parts.push(`at least ${minimum}`);
  }
  if (typeof maximum === "number" && maximum < Number.MAX_SAFE_INTEGER) {
    parts.push(`at most ${maximum}`);
  }
  return parts.join(", ");
}

function valueText(value: unknown): string {
  return code(typeof value === "string" ? value : JSON.stringify(value));
}

function code(text: string): string {
  return `\`${text}\``;
}

/** A table as the formatter writes it. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((_, at) =>
    Math.max(3, ...[head, ...rows].map((row) => row[at]?.length ?? 0))
  );
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}

function wrap(text: string): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = "";
    }
    line += line === "" ? word : ` ${word}`;
  }
  return [...lines, line].join("\n");
}

/** The page of the product's own catalogue. */
export function currentEventsPage(): string {
  const abouts = new Map(Object.entries(EVENTS).map(([name, { about }]) => [name, about]));
  return eventsPage(schemaOf(EVENTS), (name) => abouts.get(name) ?? "");
}

async function release(): Promise<number> {
  const current = schemaOf(EVENTS);
  const breaks = findBreaks(await readReleased(), current);
  if (breaks.length > 0) {
    console.error(`Cannot release the catalogue: it breaks its readers:\n${breaks.join("\n")}`);
    return 1;
  }
  await Deno.writeTextFile(SNAPSHOT_FILE, JSON.stringify(current, null, 2) + "\n");
  console.log("wrote shared/events/catalogue_snapshot.json");
  return 0;
}

async function readReleased(): Promise<CatalogueSchema> {
  try {
    return parseSnapshot(await Deno.readTextFile(SNAPSHOT_FILE));
  } catch (error) {
    // The first release.
    if (error instanceof Deno.errors.NotFound) return {};
    throw error;
  }
}

if (import.meta.main) {
  await Deno.writeTextFile(EVENTS_PAGE, currentEventsPage());
  console.log("wrote docs/events.md");
  if (Deno.args.includes("--release")) Deno.exit(await release());
}
