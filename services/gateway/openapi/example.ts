/** Examples of the API's shapes: typed by the schema they stand for, and held against it by a test. */
import type { z } from "@hono/zod-openapi";

export interface Example {
  readonly schema: z.ZodType;
  /** By name; the first is shown first. */
  readonly values: Readonly<Record<string, unknown>>;
}

/** The example of a schema with one usual form. */
export function example<Schema extends z.ZodType>(schema: Schema, value: z.input<Schema>): Example {
  return { schema, values: { usual: value } };
}

/** The examples of a schema with several forms, by a name for each. */
export function examples<Schema extends z.ZodType>(
  schema: Schema,
  values: Readonly<Record<string, z.input<Schema>>>,
): Example {
  return { schema, values };
}

/** Ids of the examples: the same thing has the same id on every page. */
export const ID = {
  order: "0195a1c0-5d2e-7b3a-9f10-3c5d7e9a1b01",
  otherOrder: "0195a1c0-5d2e-7b3a-9f10-3c5d7e9a1b02",
  merchant: "0195a1bf-1111-7c4d-8a20-1f2e3d4c5b01",
  menuItem: "0195a1bf-2222-7c4d-8a20-1f2e3d4c5b02",
  category: "0195a1bf-3333-7c4d-8a20-1f2e3d4c5b03",
  zone: "0195a1bf-4444-7c4d-8a20-1f2e3d4c5b04",
  quote: "0195a1bf-5555-7c4d-8a20-1f2e3d4c5b05",
  courier: "0195a1be-aaaa-7d5e-8b30-9a8b7c6d5e01",
  otherCourier: "0195a1be-aaaa-7d5e-8b30-9a8b7c6d5e02",
  offer: "0195a1c1-bbbb-7e6f-8c40-5a4b3c2d1e01",
  assignment: "0195a1c1-cccc-7e6f-8c40-5a4b3c2d1e02",
  shift: "0195a1c1-dddd-7e6f-8c40-5a4b3c2d1e03",
  event: "0195a1c1-eeee-7e6f-8c40-5a4b3c2d1e04",
  account: "0195a1bd-7777-7f70-9d50-0a1b2c3d4e01",
  session: "0195a1bd-8888-7f70-9d50-0a1b2c3d4e02",
  key: "0195a1bd-9999-7f70-9d50-0a1b2c3d4e03",
  request: "0195a1c2-0000-7a81-8e60-6f5e4d3c2b01",
} as const;

/** What would be secret: long enough to look real, plain enough to be none. */
export const SECRET = "example-of-a-secret-that-opens-nothing-0000";
