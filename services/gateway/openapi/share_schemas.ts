/** Puts what several places of the document repeat under `components`, once. Pure. */
import { MODES, ROLES } from "shared/auth/principal.ts";
import { SCOPES } from "shared/auth/scopes.ts";
import { CANCEL_CODES } from "shared/orders/cancellation.ts";
import { ORDER_KINDS, ORDER_STATES } from "shared/orders/lifecycle.ts";
import { COURIER_STATUSES } from "shared/orders/rows.ts";
import { PRICE_PART_KINDS } from "shared/pricing/price_part.ts";
import { VEHICLES } from "shared/streets/vehicle.ts";
import {
  type DocumentedResponse,
  type JsonSchema,
  type OpenApiDocument,
  operationsOf,
  RESPONSES,
  schemaNameOf,
  SCHEMAS,
} from "./document.ts";

/** Sets of values that more than one schema names. */
const SHARED_ENUMS: Readonly<Record<string, readonly string[]>> = {
  CancelCode: CANCEL_CODES,
  CourierStatus: COURIER_STATUSES,
  Mode: MODES,
  OrderKind: ORDER_KINDS,
  OrderState: ORDER_STATES,
  PricePartKind: PRICE_PART_KINDS,
  Role: ROLES,
  Scope: SCOPES,
  Vehicle: VEHICLES,
};

/** Names each inline list of a named thing: `OrderPage` with a cursor, `OrderList` without. */
export function hoistLists(document: OpenApiDocument): OpenApiDocument {
  const { schemas } = document.components;
  for (const methods of Object.values(document.paths)) {
    for (const operation of Object.values(methods)) {
      for (const response of Object.values(operation.responses)) {
        if ("$ref" in response) continue;
        for (const media of Object.values(response.content ?? {})) {
          const name = listName(media.schema);
          if (name === undefined) continue;
          schemas[name] ??= media.schema;
          media.schema = { $ref: SCHEMAS + name };
        }
      }
    }
  }
  return document;
}

function listName(schema: JsonSchema): string | undefined {
  const properties = (schema["properties"] ?? {}) as Record<string, JsonSchema>;
  const { items, nextCursor, ...others } = properties;
  if (items === undefined || Object.keys(others).length > 0) return undefined;
  const item = schemaNameOf((items["items"] ?? {}) as JsonSchema);
  if (item === undefined) return undefined;
  return nextCursor === undefined ? `${item}List` : `${item}Page`;
}

/** Replaces each copy of a shared set of values by a reference to it. */
export function hoistEnums(document: OpenApiDocument): OpenApiDocument {
  const byValues = new Map(
    Object.entries(SHARED_ENUMS).map(([name, values]) => [JSON.stringify(values), name]),
  );
  const used = new Set<string>();
  const replaced = JSON.parse(JSON.stringify(document), (_, value: unknown) => {
    const name = sharedEnum(value, byValues);
    if (name === undefined) return value;
    used.add(name);
    return { $ref: SCHEMAS + name };
  }) as OpenApiDocument;
  for (const name of [...used].sort()) {
    replaced.components.schemas[name] = { type: "string", enum: [...SHARED_ENUMS[name] ?? []] };
  }
  return replaced;
}

function sharedEnum(value: unknown, byValues: ReadonlyMap<string, string>): string | undefined {
  if (typeof value !== "object" || value === null || !("enum" in value)) return undefined;
  const isBare = Object.keys(value).every((key) => key === "type" || key === "enum");
  return isBare ? byValues.get(JSON.stringify(value.enum)) : undefined;
}

/** Most codes of a shared refusal: its name is made of them. */
const MAX_SHARED_CODES = 3;

/** Refers to refusals that many operations answer alike, by a name made of their codes. */
export function hoistRefusals(document: OpenApiDocument): OpenApiDocument {
  const responses: Record<string, DocumentedResponse> = {};
  for (const { operation } of operationsOf(document)) {
    for (const [status, response] of Object.entries(operation.responses)) {
      if ("$ref" in response) continue;
      const codes = response["x-problem-codes"] ?? [];
      if (codes.length === 0 || codes.length > MAX_SHARED_CODES) continue;
      const name = codes.join("-");
      responses[name] ??= response;
      // The same codes with other headers are another answer.
      if (JSON.stringify(responses[name]) !== JSON.stringify(response)) continue;
      operation.responses[status] = { $ref: RESPONSES + name };
    }
  }
  document.components.responses = responses;
  return document;
}
