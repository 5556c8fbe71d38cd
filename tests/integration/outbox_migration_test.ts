import assert from "node:assert/strict";
import { uuidv7 } from "shared/ids/uuid.ts";
import { envelopesOf } from "shared/outbox/change_events.ts";
import { migrate, readMigrations } from "shared/sql/migrate.ts";
import type { Sql } from "shared/sql/connect.ts";
import { withEmptyDatabase } from "../harness/with_stores.ts";

const MIGRATIONS = new URL("../../migrations", import.meta.url).pathname;
/** The file that makes a row of each change. */
const NUMBER = 9;

/** Events of one change as rows of their own, the way they were written before. */
async function insertRows(
  sql: Sql,
  change: { key: string; version: number; publishedAt: readonly (Date | null)[] },
): Promise<string[]> {
  const ids: string[] = [];
  for (const [index, publishedAt] of change.publishedAt.entries()) {
    const id = uuidv7();
    ids.push(id);
    await sql`
      insert into outbox (event_id, type, version, region, shard, key, aggregate_version,
        event_index, trace, data, published_at)
      values (${id}, ${`test.${index}`}, 2, 'r', 0, ${change.key}, ${change.version}, ${index},
        'a trace', ${`{"said": "\\"line\\nbreak\\"",\n "index": ${index}}`}::json, ${publishedAt})`;
  }
  return ids;
}

Deno.test("migration 009 makes one row of a change's events, and publishes it again where one of them waited", async () => {
  await withEmptyDatabase(async ({ databaseUrl, sql }) => {
    const folder = await Deno.makeTempDir({ prefix: "hexmile-migrations-" });
    try {
      for (const { name, number } of await readMigrations(MIGRATIONS)) {
        if (number < NUMBER) await Deno.copyFile(`${MIGRATIONS}/${name}`, `${folder}/${name}`);
      }
      await migrate({ databaseUrl, folder, log: () => {} });
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
    const [a, b] = [uuidv7(), uuidv7()];
    const early = new Date("2026-11-20T10:00:00Z");
    const late = new Date("2026-11-20T11:00:00Z");
    const first = await insertRows(sql, { key: a, version: 1, publishedAt: [early, late] });
    const other = await insertRows(sql, { key: b, version: 1, publishedAt: [early] });
    const second = await insertRows(sql, { key: a, version: 2, publishedAt: [early, null] });
    await migrate({ databaseUrl, folder: MIGRATIONS, log: () => {} });

    const changes = await sql<{ key: string; occurredAt: Date; events: string; at: Date | null }[]>`
      select key, occurred_at, events, published_at as at from outbox order by id`;
    assert.deepEqual(changes.map(({ key, at }) => [key, at]), [[a, late], [b, early], [a, null]]);
    const envelopes = changes.map(({ events, ...shared }) =>
      envelopesOf({ region: "r", trace: null, ...shared }, events)
    );
    assert.deepEqual(envelopes.map((each) => each.map(({ id }) => id)), [first, other, second]);
    const { data, type, version } = JSON.parse(envelopes[0]?.[1]?.json ?? "");
    assert.deepEqual([type, version, data], ["test.1", 2, { said: '"line\nbreak"', index: 1 }]);
    const events = await sql`
      select event_id, event_index, aggregate_version, trace, data ->> 'index' as index
      from outbox_events where key = ${a} order by id`;
    assert.deepEqual(
      events.map((event) => [event["eventId"], event["eventIndex"], event["index"]]),
      [...first, ...second].map((id, at) => [id, at % 2, `${at % 2}`]),
    );
    // New ids go on above the old ones.
    const [added] = await sql<{ isAbove: boolean }[]>`
      insert into outbox (region, shard, key, aggregate_version, events)
      values ('r', 0, ${b}, 2, '')
      returning id > (select max(id) from outbox_events) as is_above`;
    assert.equal(added?.isAbove, true);
  });
});
