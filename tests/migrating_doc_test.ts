/** The page for who comes from another system names only what there is. */
import { deepStrictEqual, ok } from "node:assert/strict";
import { EVENTS } from "shared/events/catalogue.ts";
import { ORDER_STATES } from "shared/orders/lifecycle.ts";
import { operationsOf } from "../services/gateway/openapi/document.ts";
import { apiDocument } from "./harness/api_document.ts";
import { readText } from "./house/source_tree.ts";

/** What other services answer. */
const ELSEWHERE = [
  "GET /api/v1/courier/channel",
  "GET /api/v1/orders/{id}/track",
  "POST /api/v1/courier/location",
];

/** The right-hand cells of the page's tables. */
async function cells(): Promise<string[]> {
  const page = await readText("docs/migrating.md");
  ok(page !== undefined);
  return page.split("\n").filter((line) => line.startsWith("| ")).flatMap((line) =>
    line.split(" | ").slice(1)
  );
}

Deno.test("migrating.md names only operations that are served", async () => {
  const served = new Set([
    ...operationsOf(await apiDocument()).map(({ name }) => name),
    ...ELSEWHERE,
  ]);
  const named = (await cells()).flatMap((cell) =>
    [...cell.matchAll(/`((?:GET|POST|PATCH|PUT|DELETE) \/api\/v1\/[^`]+)`/g)].map(([, name]) =>
      name
    )
  );
  ok(named.length > 60, `only ${named.length} operations were looked at`);
  deepStrictEqual(named.filter((name = "") => !served.has(name)), []);
});

Deno.test("migrating.md names only events that there are, and every state", async () => {
  const page = await readText("docs/migrating.md");
  const text = (await cells()).join("\n");
  const named = [...text.matchAll(/`((?:order|offer|assignment|delivery|courier)\.[a-z_]+)`/g)]
    .map(([, name = ""]) => name)
    // Problem codes look alike.
    .filter((name) =>
      !["order.transition_not_allowed", "order.outside_service_area"].includes(name)
    );
  ok(named.length > 5);
  deepStrictEqual(named.filter((name) => !Object.hasOwn(EVENTS, name)), []);
  deepStrictEqual(ORDER_STATES.filter((state) => !(page ?? "").includes(state)), []);
});
