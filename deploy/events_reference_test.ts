import { strictEqual } from "node:assert/strict";
import { z } from "zod";
import { schemaOf } from "shared/events/compatibility.ts";
import { currentEventsPage, EVENTS_PAGE, eventsPage, typeText } from "./events_reference.ts";

/** How a field of this type is described. */
function textOf(type: z.ZodType): string {
  return typeText(z.toJSONSchema(type, { io: "input" }));
}

Deno.test("typeText() describes every kind of field", () => {
  strictEqual(textOf(z.uuid()), "UUID");
  strictEqual(textOf(z.iso.datetime()), "instant");
  strictEqual(textOf(z.string().nullable()), "text or null");
  strictEqual(textOf(z.int()), "integer");
  strictEqual(textOf(z.int().min(1).max(9)), "integer, at least 1, at most 9");
  strictEqual(textOf(z.enum(["a", "b"])), "`a` or `b`");
  strictEqual(textOf(z.literal("a")), "`a`");
  strictEqual(textOf(z.array(z.boolean())), "list of: boolean");
  strictEqual(textOf(z.object({ lat: z.number() })), "object with `lat` (number)");
});

Deno.test("eventsPage() has a section per event, with its version and what may be absent", () => {
  const data = z.object({ orderId: z.uuid(), tipMinor: z.int().min(0).optional() });
  const page = eventsPage(
    schemaOf({ "order.tipped": { version: 2, data } }),
    () => "Somebody gave",
  );
  strictEqual(
    page.slice(page.indexOf("## ")),
    `## \`order.tipped\`

Somebody gave. Version 2.

| field      | type                               |
| ---------- | ---------------------------------- |
| \`orderId\`  | UUID                               |
| \`tipMinor\` | integer, at least 0, may be absent |
`,
  );
});

Deno.test("docs/events.md is what the catalogue declares (run deno task events:reference)", async () => {
  strictEqual(await Deno.readTextFile(EVENTS_PAGE), currentEventsPage());
});
