import assert from "node:assert/strict";
import { uuidv7 } from "shared/ids/uuid.ts";
import { migrate, MigrationError, readMigrations, requireSchema } from "shared/sql/migrate.ts";
import { SCHEMA_VERSION } from "shared/sql/schema_version.ts";
import type { Sql } from "shared/sql/connect.ts";
import { withEmptyDatabase } from "../harness/with_stores.ts";

const PROJECT_MIGRATIONS = new URL("../../migrations", import.meta.url).pathname;
const STARTERS = 10;

/** A folder of migrations of the test's own. */
async function withFolder(
  files: Readonly<Record<string, string>>,
  use: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "hexmile-migrations-" });
  try {
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(`${folder}/${name}`, text);
    }
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** An empty database and a folder, and a way to bring the one to the other. */
async function withMigrations(
  files: Readonly<Record<string, string>>,
  use: (
    world: {
      sql: Sql;
      folder: string;
      run(options?: { confirmDestructive?: boolean }): Promise<string[]>;
    },
  ) => Promise<void>,
): Promise<void> {
  await withEmptyDatabase(({ databaseUrl, sql }) =>
    withFolder(files, (folder) =>
      use({
        sql,
        folder,
        run: (options = {}) => migrate({ databaseUrl, folder, log: () => {}, ...options }),
      }))
  );
}

async function tableExists(sql: Sql, name: string): Promise<boolean> {
  const [row] = await sql<{ found: boolean }[]>`select to_regclass(${name}) is not null as found`;
  return row?.found ?? false;
}

function says(message: string) {
  return (error: unknown) => {
    assert.ok(error instanceof MigrationError, `not a MigrationError: ${error}`);
    assert.equal(error.message, message);
    return true;
  };
}

Deno.test("migrate() run by ten starters at once applies each file once", async () => {
  await withEmptyDatabase(async ({ databaseUrl, sql }) => {
    const files = (await readMigrations(PROJECT_MIGRATIONS)).map((file) => file.name);
    const lines: string[] = [];
    const log = (line: string) => void lines.push(line);
    const applied = await Promise.all(
      Array.from(
        { length: STARTERS },
        () => migrate({ databaseUrl, folder: PROJECT_MIGRATIONS, log }),
      ),
    );
    assert.deepEqual(applied.filter((names) => names.length > 0), [files]);
    assert.deepEqual(lines, files.map((name) => `applied ${name}`));
    const rows = await sql`select name from schema_migrations order by number`;
    assert.deepEqual(rows.map((row) => row["name"]), files);
    const locks = await sql`
      select 1 from pg_locks where locktype = 'advisory'
        and database = (select oid from pg_database where datname = current_database())`;
    assert.equal(locks.length, 0, "the advisory lock is given back");
  });
});

Deno.test("migrate() refuses a file that changed after it was applied", async () => {
  await withMigrations({ "001_a.sql": "create table a (n integer);" }, async ({ run, folder }) => {
    assert.deepEqual(await run(), ["001_a.sql"]);
    await Deno.writeTextFile(`${folder}/001_a.sql`, "create table a (n bigint);");
    await assert.rejects(
      run(),
      says(
        "Cannot migrate: 001_a.sql changed after it was applied: restore it and add a new file",
      ),
    );
  });
});

Deno.test("migrate() refuses a database that a newer version has migrated", async () => {
  const files = { "001_a.sql": "select 1;", "002_b.sql": "select 2;" };
  await withMigrations(files, async ({ run, folder }) => {
    assert.deepEqual(await run(), ["001_a.sql", "002_b.sql"]);
    await Deno.remove(`${folder}/002_b.sql`);
    await assert.rejects(
      run(),
      says(
        "Cannot migrate: the database has 002_b.sql, which this version does not know: run the version that made it",
      ),
    );
  });
});

Deno.test("migrate() applies a destructive file only when it is confirmed", async () => {
  const files = {
    "001_a.sql": "create table a (n integer);",
    "002_drop_a.sql": "-- destructive: a is no longer used\ndrop table a;",
    "003_c.sql": "create table c (n integer);",
  };
  await withMigrations(files, async ({ run, sql }) => {
    await assert.rejects(
      run(),
      says("Cannot apply 002_drop_a.sql: it is marked destructive: run again with --confirm"),
    );
    assert.equal(await tableExists(sql, "a"), true);
    assert.equal(await tableExists(sql, "c"), false, "nothing runs past the one that was refused");
    assert.deepEqual(await run({ confirmDestructive: true }), ["002_drop_a.sql", "003_c.sql"]);
    assert.equal(await tableExists(sql, "a"), false);
  });
});

Deno.test("migrate() refuses numbers with a hole or a repeat and names of another form", async () => {
  const cases: [Record<string, string>, string][] = [
    [
      { "001_a.sql": "", "003_c.sql": "" },
      "Cannot read 003_c.sql: its number must be 2: numbers have no hole and no repeat",
    ],
    [
      { "002_b.sql": "" },
      "Cannot read 002_b.sql: its number must be 1: numbers have no hole and no repeat",
    ],
    [{ "1_a.sql": "" }, "Cannot read 1_a.sql: its name must be NNN_name.sql"],
    [{ "001_A.sql": "" }, "Cannot read 001_A.sql: its name must be NNN_name.sql"],
  ];
  for (const [files, message] of cases) {
    await withFolder(files, async (folder) => {
      await assert.rejects(readMigrations(folder), says(message));
    });
  }
  await withFolder({ "001_a.sql": "", "001_b.sql": "" }, async (folder) => {
    await assert.rejects(readMigrations(folder), /its number must be 2: numbers have no hole/);
  });
});

Deno.test("migrate() leaves nothing of a file that fails, and goes on once it is mended", async () => {
  const files = {
    "001_a.sql": "create table a (n integer);",
    "002_b.sql":
      "create table b (n integer); insert into a values (1); insert into missing values (1);",
  };
  await withMigrations(files, async ({ run, sql, folder }) => {
    await assert.rejects(
      run(),
      says('Cannot apply 002_b.sql: relation "missing" does not exist'),
    );
    assert.equal(await tableExists(sql, "b"), false);
    assert.equal((await sql`select * from a`).length, 0);
    assert.deepEqual([...await sql`select number, name from schema_migrations`], [
      { number: 1, name: "001_a.sql" },
    ]);
    await Deno.writeTextFile(`${folder}/002_b.sql`, "create table b (n integer);");
    assert.deepEqual(await run(), ["002_b.sql"]);
    assert.equal(await tableExists(sql, "b"), true);
  });
});

Deno.test("requireSchema() says in one sentence what to run", async () => {
  await withMigrations({ "001_a.sql": "select 1;" }, async ({ run, sql }) => {
    await assert.rejects(
      requireSchema(sql, 1),
      says(
        "Cannot use the database: its schema must be at 1: it is at 0: run `deno task migrate`",
      ),
    );
    await run();
    await requireSchema(sql, 1);
    await assert.rejects(
      requireSchema(sql, 2),
      says(
        "Cannot use the database: its schema must be at 2: it is at 1: run `deno task migrate`",
      ),
    );
    await sql`insert into schema_migrations (number, name, checksum) values (2, '002_b.sql', '')`;
    await assert.rejects(
      requireSchema(sql, 1),
      says("Cannot use the database: its schema must be at 1: it is at 2: run a newer version"),
    );
  });
});

Deno.test("requireSchema() takes a newer schema as long as every newer file only adds", async () => {
  const files = {
    "001_a.sql": "select 1;",
    "002_b.sql": "-- additive: a table\ncreate table b ();",
  };
  await withMigrations(files, async ({ run, sql, folder }) => {
    await run();
    await requireSchema(sql, 1);
    await Deno.writeTextFile(`${folder}/003_c.sql`, "-- why\ndrop table b;");
    await run();
    await requireSchema(sql, 3);
    await assert.rejects(
      requireSchema(sql, 1),
      says("Cannot use the database: its schema must be at 1: it is at 3: run a newer version"),
    );
    await sql`alter table schema_migrations drop column is_additive`;
    await requireSchema(sql, 3);
    await assert.rejects(requireSchema(sql, 2), MigrationError);
  });
});

Deno.test("SCHEMA_VERSION is the number of the newest file", async () => {
  const files = await readMigrations(PROJECT_MIGRATIONS);
  assert.equal(files.at(-1)?.number, SCHEMA_VERSION);
});

/** Instants at the edges of this month and the next three, UTC. */
function edgesOfMonths(now: Date): Date[] {
  return Array.from({ length: 4 }, (_, ahead) => {
    const first = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + ahead);
    const next = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + ahead + 1);
    return [new Date(first), new Date(next - 1)];
  }).flat();
}

Deno.test("orders take ids of this month and the next three, and an id leads to one partition", async () => {
  await withEmptyDatabase(async ({ databaseUrl, sql }) => {
    await migrate({ databaseUrl, folder: PROJECT_MIGRATIONS, log: () => {} });
    for (const at of edgesOfMonths(new Date())) {
      const id = uuidv7(at.getTime());
      await sql`
        insert into orders (id, region, shard, kind, status, version, customer_id, items,
          pickup_lat, pickup_lon, dropoff_lat, dropoff_lon, distance_m, preparation_minutes,
          items_minor, delivery_minor, tip_minor, currency, estimated_delivery_at,
          tracking_token_hash, state_times)
        values (${id}, 'r', 0, 'parcel', 'placed', 1, ${uuidv7()}, '[]', 0, 0, 0, 0, 0, 0, 0, 0, 0,
          'SEK', now(), '', '{}')`;
      const month = at.toISOString().slice(0, 7).replace("-", "_");
      const [row] = await sql`select tableoid::regclass::text as part from orders where id = ${id}`;
      assert.equal(row?.["part"], `orders_${month}`, at.toISOString());
      const plan = await sql.unsafe(`explain select 1 from orders where id = '${id}'`);
      const scanned = JSON.stringify(plan).match(/orders_\d{4}_\d{2}(?!_)/g);
      assert.deepEqual(new Set(scanned), new Set([`orders_${month}`]));
    }
    const [created] = await sql`select ensure_order_partitions(3) as missing`;
    assert.equal(created?.["missing"], 0, "a second look finds nothing to do");
  });
});

Deno.test("ensure_order_partitions() called by several keepers at once makes each month of orders and history once", async () => {
  await withEmptyDatabase(async ({ databaseUrl, sql }) => {
    await migrate({ databaseUrl, folder: PROJECT_MIGRATIONS, log: () => {} });
    const made = await Promise.all(
      [1, 2, 3].map(() => sql<{ made: number }[]>`select ensure_order_partitions(5) as made`),
    );
    assert.deepEqual(made.map((rows) => rows[0]?.made ?? 0).sort(), [0, 0, 4]);
  });
});
