/** Where a page ended, as text that clients send back without looking into it. */
import { z } from "@hono/zod-openapi";
import { ProblemError } from "shared/problem/problem.ts";

const MAX_CURSOR = 600;
const shape = z.strictObject({ key: z.union([z.number(), z.string()]), id: z.uuid() });

export const cursorQuery = z.string().min(1).max(MAX_CURSOR).optional();

/** The sort key of a page's last entry and its id. */
export function cursorOf(key: string | number, id: string): string {
  const bytes = new TextEncoder().encode(JSON.stringify({ key, id }));
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

/** Reads a cursor whose key must be of this type. @throws ProblemError for any other text. */
export function parseCursor(
  cursor: string | undefined,
  type: "number",
): { key: number; id: string } | undefined;
export function parseCursor(
  cursor: string | undefined,
  type: "string",
): { key: string; id: string } | undefined;
export function parseCursor(
  cursor: string | undefined,
  type: "number" | "string",
): { key: string | number; id: string } | undefined {
  if (cursor === undefined) return undefined;
  const parsed = shape.safeParse(decoded(cursor));
  if (parsed.success && typeof parsed.data.key === type) return parsed.data;
  throw new ProblemError("request.invalid", {
    detail: "Cannot use the request: fields must keep their bounds",
    errors: [{
      field: "cursor",
      bound: "must be a nextCursor of this list",
      value: cursor.slice(0, 80),
    }],
  });
}

function decoded(cursor: string): unknown {
  try {
    const bytes = Uint8Array.fromBase64(cursor, { alphabet: "base64url" });
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    // Neither base64url, UTF-8 nor JSON: not one of ours.
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw error;
  }
}
