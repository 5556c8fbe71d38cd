/**
 * Whatever the OpenAPI document calls wrong is refused by every operation of the gateway, before
 * anything is written: the requests are made from the document's own examples, spoiled in one place each.
 */
import assert from "node:assert/strict";
import type { Role } from "shared/auth/principal.ts";
import { createSeededRandom } from "shared/city/seeded_random.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import {
  operationsOf,
  parametersOf,
  type PlacedOperation,
} from "../../services/gateway/openapi/document.ts";
import { serviceDocument } from "../harness/api_document.ts";
import type { Answer } from "../harness/gateway_app.ts";
import {
  closeGatewayWorld,
  createGatewayWorld,
  type GatewayWorld,
} from "../harness/gateway_world.ts";
import {
  assertNamesField,
  assertNothingWritten,
  chosen,
  isWrong,
  WRONG_TEXTS,
} from "../harness/refused_input.ts";
import { spoil, type Spoiled } from "../harness/spoiled_values.ts";
import { openTestStores } from "../harness/stores.ts";

const SEED = Number(Deno.env.get("BAD_INPUT_SEED") ?? Date.now() % 1_000_000);
/** Requests to one operation; the seed says which of all that are wrong. */
const MAX_REQUESTS = 40;
// What ingest and the tracker refuse is in ingest_bad_input_test.ts.
const document = await serviceDocument("gateway");
const operations = operationsOf(document);

let world: GatewayWorld;
const tokens = new Map<Role, string>();

Deno.test.beforeAll(async () => {
  world = await createGatewayWorld(await openTestStores());
  for (const role of ["customer", "courier", "merchant", "dispatcher", "admin"] as const) {
    tokens.set(role, (await world.gateway.signIn(role)).token);
  }
});
Deno.test.afterAll(() => closeGatewayWorld(world));

async function ask(
  { method, operation }: PlacedOperation,
  path: string,
  text?: string,
): Promise<Answer> {
  const [role] = operation["x-roles"] ?? [];
  return await world.gateway.call(method, path, {
    token: role === undefined ? undefined : tokens.get(role as Role),
    ...(text === undefined ? {} : { body: text }),
  });
}

/** A path whose ids belong to nothing. */
function filled(path: string): string {
  return path.replaceAll(/\{\w+\}/g, uuidv7());
}

/** The examples of an operation's body, spoiled. */
function spoiledBodies({ operation }: PlacedOperation): Spoiled[] {
  const media = operation.requestBody?.content["application/json"];
  return Object.values(media?.examples ?? {}).flatMap(({ $ref }) => {
    const example = document.components.examples?.[$ref.replace("#/components/examples/", "")];
    if (media === undefined || example === undefined) return [];
    return spoil(document, media.schema, example.value);
  });
}

Deno.test(`a body that the document calls wrong is refused by every operation (seed ${SEED})`, async () => {
  const random = createSeededRandom(SEED);
  let count = 0;
  for (const placed of operations) {
    const bodies = chosen(spoiledBodies(placed), MAX_REQUESTS, random);
    if (bodies.length === 0) continue;
    await assertNothingWritten(world.stores.sql, placed.name, async () => {
      for (const { what, text } of bodies) {
        const answer = await ask(placed, filled(placed.path), text);
        assertNamesField(answer, `${placed.name} ${what}`, JSON.parse(text));
        count++;
      }
    });
  }
  assert.ok(count > 500, `only ${count} requests were made`);
});

Deno.test("a query or an id that the document calls wrong is refused by every operation", async () => {
  let count = 0;
  for (const placed of operations) {
    const parameters = parametersOf(document, placed.operation);
    const body = placed.operation.requestBody === undefined ? undefined : "{}";
    await assertNothingWritten(world.stores.sql, placed.name, async () => {
      for (const parameter of parameters.filter((one) => one.in === "query")) {
        for (const text of WRONG_TEXTS.filter((text) => isWrong(document, parameter, text))) {
          const query = new URLSearchParams({ [parameter.name]: text });
          const answer = await ask(placed, `${filled(placed.path)}?${query}`, body);
          assertNamesField(answer, `${placed.name} ${parameter.name}=${text.slice(0, 20)}`);
          count++;
        }
      }
      for (const parameter of parameters.filter((one) => one.in === "path")) {
        for (const text of WRONG_TEXTS.filter((text) => isWrong(document, parameter, text))) {
          const path = placed.path.replace(/\{\w+\}/, encodeURIComponent(text));
          const answer = await ask(placed, filled(path), body);
          assertNamesField(answer, `${placed.name} ${parameter.name}=${text.slice(0, 20)}`);
          count++;
        }
      }
    });
  }
  assert.ok(count > 300, `only ${count} requests were made`);
});

Deno.test("a query that no operation knows is refused where there is a query", async () => {
  let count = 0;
  for (const placed of operations) {
    const parameters = parametersOf(document, placed.operation);
    if (!parameters.some((one) => one.in === "query")) continue;
    const answer = await ask(placed, `${filled(placed.path)}?status_=delivered`);
    assertNamesField(answer, placed.name);
    count++;
  }
  assert.ok(count > 8, `only ${count} requests were made`);
});

/** What no body may be, whoever asks: too large, endless, no JSON. */
const MONSTERS: Readonly<Record<string, { text: string; codes: readonly string[] }>> = {
  "a password of 1 MB": {
    text: JSON.stringify({ email: "a@example.com", password: "p".repeat(1_000_000) }),
    codes: ["request.too_large", "request.invalid"],
  },
  "an array of a million": {
    text: `[${"0,".repeat(999_999)}0]`,
    codes: ["request.too_large", "request.invalid"],
  },
  "orders of a million": {
    text: `{"orders":[${"0,".repeat(400_000)}0]}`,
    codes: ["request.too_large", "request.invalid"],
  },
  "NaN as a number": { text: '{"tipMinor":NaN}', codes: ["request.malformed"] },
  "Infinity as a number": { text: '{"tipMinor":-Infinity}', codes: ["request.malformed"] },
  "half of an object": { text: '{"tipMinor":', codes: ["request.malformed"] },
};

for (const [what, { text, codes }] of Object.entries(MONSTERS)) {
  Deno.test(`${what} is refused by every operation with a body`, async () => {
    for (const placed of operations) {
      if (placed.operation.requestBody === undefined) continue;
      await assertNothingWritten(world.stores.sql, placed.name, async () => {
        const answer = await ask(placed, filled(placed.path), text);
        const code = String(answer.json?.["code"]);
        assert.ok(codes.includes(code), `${placed.name}: ${answer.text.slice(0, 300)}`);
      });
    }
  });
}
