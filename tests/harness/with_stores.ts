import { connectSql, type Sql } from "shared/sql/connect.ts";
import { openTestStores, type TestStores } from "./stores.ts";

/** Runs one test on stores of its own, which are closed whatever happens. */
export async function withStores(use: (stores: TestStores) => Promise<void>): Promise<void> {
  const stores = await openTestStores();
  try {
    await use(stores);
  } finally {
    await stores.close();
  }
}

/** Runs one test on a database without any table, for what happens before the first migration. */
export async function withEmptyDatabase(
  use: (database: { readonly databaseUrl: string; readonly sql: Sql }) => Promise<void>,
): Promise<void> {
  const adminUrl = Deno.env.get("TEST_ADMIN_DATABASE_URL");
  if (adminUrl === undefined) {
    throw new Error("Cannot run: TEST_ADMIN_DATABASE_URL must be set: run deno task test");
  }
  const name = `empty_${crypto.randomUUID().replaceAll("-", "").slice(0, 16)}`;
  const admin = connectSql(adminUrl, { applicationName: name, max: 1 });
  const databaseUrl = new URL(adminUrl);
  databaseUrl.pathname = `/${name}`;
  const sql = connectSql(databaseUrl.href, { applicationName: name, max: 3 });
  try {
    await admin`create database ${admin(name)}`;
    await use({ databaseUrl: databaseUrl.href, sql });
  } finally {
    await sql.end({ timeout: 5 });
    await admin`drop database if exists ${admin(name)} with (force)`;
    await admin.end({ timeout: 5 });
  }
}
