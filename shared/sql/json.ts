import type postgres from "postgres";

/**
 * Marks a value as JSON for a query parameter. The driver's own type asks for an index signature,
 * which interfaces do not have; what JSON.stringify drops (undefined, functions) is dropped.
 */
export function jsonOf(value: unknown): postgres.JSONValue {
  return value as postgres.JSONValue;
}
