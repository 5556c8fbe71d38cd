/** `deno task region:create <city folder>`: adds a region to DATABASE_URL, without demo accounts. */
import { CityError, loadCity } from "shared/city/load_city.ts";
import { connectSql, isSqlState, SQLSTATE } from "shared/sql/connect.ts";
import { insertRegion } from "./demo/seed.ts";
import { reasonOf } from "./setup_error.ts";

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

async function main(): Promise<number> {
  const [folder] = Deno.args;
  const databaseUrl = Deno.env.get("DATABASE_URL");
  if (folder === undefined) {
    console.error("Usage: deno task region:create <city folder>");
    return EXIT_USAGE;
  }
  if (databaseUrl === undefined || databaseUrl === "") {
    console.error("Cannot create a region: DATABASE_URL must be set: it is empty");
    return EXIT_USAGE;
  }
  const sql = connectSql(databaseUrl, { applicationName: "hexmile-region", max: 1 });
  try {
    const { region } = await loadCity(folder);
    await insertRegion(sql, region);
    console.log(`${region.id} is a region`);
    return 0;
  } catch (error) {
    console.error(problemOf(error));
    return EXIT_FAILED;
  } finally {
    await sql.end({ timeout: 1 });
  }
}

function problemOf(error: unknown): string {
  if (error instanceof CityError) return error.message;
  if (isSqlState(error, SQLSTATE.uniqueViolation)) {
    return "Cannot create the region: it is in the database already";
  }
  return `Cannot create the region: ${reasonOf(error)}`;
}

Deno.exit(await main());
