/** Opaque cursors of lists: where the next page begins, as text that clients only send back. */
import { z } from "@hono/zod-openapi";
import { isUuid } from "shared/ids/uuid.ts";

const PREFIX = "v1:";
const MAX_CURSOR = 100;

/** The cursor after an entry. */
export function cursorAfter(id: string): string {
  return btoa(`${PREFIX}${id}`).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The id in a cursor; undefined for any other text. */
export function readCursor(cursor: string): string | undefined {
  try {
    const text = atob(cursor.replaceAll("-", "+").replaceAll("_", "/"));
    const id = text.startsWith(PREFIX) ? text.slice(PREFIX.length) : "";
    return isUuid(id) ? id : undefined;
  } catch {
    return undefined; // Not base64.
  }
}

/** A `cursor` query parameter; what comes out is the id in it. */
export const cursorQuery = z.string().max(MAX_CURSOR).transform((cursor, context) => {
  const id = readCursor(cursor);
  if (id !== undefined) return id;
  context.addIssue({ code: "custom", message: "must be a nextCursor of this list" });
  return z.NEVER;
}).optional();

/** A page of rows that were asked for with one more than the page holds. */
export function pageOfRows<Row>(
  rows: readonly Row[],
  limit: number,
  idOf: (row: Row) => string,
): { rows: readonly Row[]; nextCursor: string | null } {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  const hasMore = rows.length > limit && last !== undefined;
  return { rows: page, nextCursor: hasMore ? cursorAfter(idOf(last)) : null };
}
