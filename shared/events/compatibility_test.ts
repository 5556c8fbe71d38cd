import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { z } from "zod";
import { EVENTS } from "./catalogue.ts";
import { type Catalogue, findBreaks, parseSnapshot, schemaOf } from "./compatibility.ts";

const SNAPSHOT_FILE = new URL("./catalogue_snapshot.json", import.meta.url);

const FIELDS = {
  orderId: z.uuid(),
  kind: z.enum(["marketplace", "parcel"]),
  reason: z.string().nullable(),
  distanceM: z.int().min(0),
  stops: z.array(z.object({ lat: z.number(), lon: z.number() })),
};

function catalogue(data: z.ZodRawShape, version = 1): Catalogue {
  return { "order.placed": { version, data: z.object(data) } };
}

/** What is wrong with going from `FIELDS` at version 1 to these. */
function breaksOf(data: z.ZodRawShape, version = 2): string[] {
  return findBreaks(schemaOf(catalogue(FIELDS)), schemaOf(catalogue(data, version)));
}

/** The one break, by its beginning. */
function breaksWith(pattern: RegExp, data: z.ZodRawShape, version?: number): void {
  const found = breaksOf(data, version);
  strictEqual(found.length, 1, found.join("\n"));
  match(found[0] ?? "", pattern);
}

Deno.test("findBreaks() passes what readers of before and after can both read", () => {
  deepStrictEqual(breaksOf(FIELDS, 1), [], "no change");
  deepStrictEqual(breaksOf({ ...FIELDS, tipMinor: z.int().optional() }), [], "an optional field");
  deepStrictEqual(breaksOf({ ...FIELDS, tipMinor: z.int().default(0) }), [], "one with a default");
  deepStrictEqual(
    breaksOf({ ...FIELDS, kind: z.enum(["marketplace", "parcel", "freight"]) }),
    [],
    "one more value",
  );
  deepStrictEqual(breaksOf({ ...FIELDS, distanceM: z.int().min(-1) }), [], "a wider range");
  const { orderId, ...others } = FIELDS;
  deepStrictEqual(breaksOf({ ...others, orderId }, 1), [], "another order of the fields");
  const more = { ...catalogue(FIELDS), "order.rated": { version: 1, data: z.object({}) } };
  deepStrictEqual(findBreaks(schemaOf(catalogue(FIELDS)), schemaOf(more)), [], "a new event");
});

Deno.test("findBreaks() refuses an event that was removed and a version that was lowered", () => {
  deepStrictEqual(findBreaks(schemaOf(catalogue(FIELDS)), {}), [
    "order.placed was removed or renamed: keep it; add a new event beside it for a new meaning",
  ]);
  deepStrictEqual(findBreaks(schemaOf(catalogue(FIELDS, 3)), schemaOf(catalogue(FIELDS, 2))), [
    "order.placed went from version 3 down to 2: versions only grow",
  ]);
});

Deno.test("findBreaks() refuses a field that was removed or renamed", () => {
  const { distanceM: _, ...others } = FIELDS;
  const sentence = /^order\.placed: distanceM was removed or renamed: keep it/;
  breaksWith(sentence, others);
  breaksWith(sentence, { ...others, lengthM: z.int().optional() });
});

Deno.test("findBreaks() refuses a field that is required and was not there before", () => {
  const sentence =
    /^order\.placed: tipMinor is required, .*: make it optional and raise the version/;
  breaksWith(sentence, { ...FIELDS, tipMinor: z.int() }, 1);
  breaksWith(sentence, { ...FIELDS, tipMinor: z.int() }, 2);
});

Deno.test("findBreaks() refuses a change without a raised version", () => {
  const sentence = /^order\.placed changed and is still version 1: raise it to 2$/;
  breaksWith(sentence, { ...FIELDS, tipMinor: z.int().optional() }, 1);
  breaksWith(sentence, { ...FIELDS, kind: z.enum(["marketplace", "parcel", "freight"]) }, 1);
});

Deno.test("findBreaks() refuses another type, also inside lists and beside null", () => {
  const changed = /^order\.placed: \w+ changed its type from /;
  breaksWith(changed, { ...FIELDS, orderId: z.string() });
  breaksWith(changed, { ...FIELDS, orderId: z.int() });
  breaksWith(changed, { ...FIELDS, distanceM: z.number().min(0) });
  breaksWith(changed, { ...FIELDS, reason: z.string() });
  breaksWith(changed, { ...FIELDS, reason: z.int().nullable() });
  breaksWith(changed, { ...FIELDS, distanceM: z.int().min(0).nullable() });
  breaksWith(changed, { ...FIELDS, kind: z.string() });
  const point = { lat: z.number(), lon: z.number() };
  breaksWith(/stops\[\]: lon was removed/, {
    ...FIELDS,
    stops: z.array(z.object({ lat: point.lat })),
  });
  breaksWith(/stops\[\]: lat changed its type/, {
    ...FIELDS,
    stops: z.array(z.object({ ...point, lat: z.string() })),
  });
});

Deno.test("findBreaks() refuses fewer values, a smaller range and a field that became optional", () => {
  breaksWith(/kind no longer takes "parcel": keep it/, {
    ...FIELDS,
    kind: z.enum(["marketplace", "freight"]),
  });
  breaksWith(/distanceM takes a smaller range/, { ...FIELDS, distanceM: z.int().min(1) });
  breaksWith(/distanceM takes a smaller range/, { ...FIELDS, distanceM: z.int().min(0).max(9) });
  breaksWith(/reason became optional/, { ...FIELDS, reason: z.string().nullable().optional() });
});

Deno.test("schemaOf() has no patterns of zod's, so that a new zod is no change", () => {
  const [schema] = Object.values(schemaOf(catalogue({ at: z.iso.datetime(), id: z.uuid() })));
  deepStrictEqual(schema?.data, {
    type: "object",
    properties: {
      at: { type: "string", format: "date-time" },
      id: { type: "string", format: "uuid" },
    },
    required: ["at", "id"],
  });
});

Deno.test("the catalogue breaks no reader of its released form (see CONTRIBUTING, Add an event)", async () => {
  const released = parseSnapshot(await Deno.readTextFile(SNAPSHOT_FILE));
  ok(Object.keys(released).length > 0);
  deepStrictEqual(findBreaks(released, schemaOf(EVENTS)), []);
});
