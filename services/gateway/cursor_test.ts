import assert from "node:assert/strict";
import { uuidv7 } from "shared/ids/uuid.ts";
import { cursorAfter, cursorQuery, pageOfRows, readCursor } from "./cursor.ts";

Deno.test("readCursor() reads what cursorAfter() made, and nothing else", () => {
  const id = uuidv7();
  assert.equal(readCursor(cursorAfter(id)), id);
  for (const other of ["", id, btoa(id), btoa("v1:nothing"), "%%%", `${cursorAfter(id)}x`]) {
    assert.equal(readCursor(other), undefined, other);
  }
});

Deno.test("cursorQuery refuses text that is no cursor, and takes none", () => {
  assert.equal(cursorQuery.safeParse("abc").success, false);
  assert.equal(cursorQuery.parse(undefined), undefined);
});

Deno.test("pageOfRows() names a next page only where one more row was found", () => {
  const ids = [uuidv7(), uuidv7(), uuidv7()];
  const idOf = (id: string) => id;
  const page = pageOfRows(ids, 2, idOf);
  assert.deepEqual(page.rows, ids.slice(0, 2));
  assert.equal(readCursor(page.nextCursor ?? ""), ids[1]);
  assert.equal(pageOfRows(ids, 3, idOf).nextCursor, null);
});
