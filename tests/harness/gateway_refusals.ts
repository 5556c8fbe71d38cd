/** Short ways to say how a request must be refused. */
import assert from "node:assert/strict";
import { type Answer, fieldsOf } from "./gateway_app.ts";
import { type GatewayWorld, place } from "./gateway_world.ts";
import { everything } from "./order_facts.ts";

export interface Expected {
  readonly status: number;
  readonly code: string;
  /** `field bound` of each error, in order. */
  readonly fields?: readonly string[];
}

/** A request whose shape is wrong in exactly these fields, each `field bound`. */
export function invalid(...fields: string[]): Expected {
  return { status: 422, code: "request.invalid", fields };
}

/** A request whose shape is wrong, whatever the words. */
export const INVALID: Expected = { status: 422, code: "request.invalid" };

export function assertRefused(answer: Answer, expected: Expected, what: string): void {
  const seen = `${what}: ${answer.status} ${answer.text}`;
  assert.equal(answer.status, expected.status, seen);
  assert.equal(answer.json?.["code"], expected.code, seen);
  if (expected.fields !== undefined) assert.deepEqual(fieldsOf(answer), expected.fields, what);
}

/** Posts an order that must be refused like this without a row written anywhere. */
export async function refusesOrder(
  world: GatewayWorld,
  body: unknown,
  expected: Expected,
  what: string = JSON.stringify(body).slice(0, 200),
): Promise<Answer> {
  const before = await everything(world.stores.sql);
  const answer = await place(world, body);
  assertRefused(answer, expected, what);
  assert.deepEqual(await everything(world.stores.sql), before);
  return answer;
}
