/** `deno task migrate [--confirm]`: brings DATABASE_URL to the newest schema. */
import { migrate, MigrationError } from "shared/sql/migrate.ts";
import { PROJECT_DIR } from "./data_dir.ts";
import { reasonOf } from "./setup_error.ts";

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

async function main(): Promise<number> {
  const databaseUrl = Deno.env.get("DATABASE_URL");
  if (databaseUrl === undefined || databaseUrl === "") {
    console.error("Cannot migrate: DATABASE_URL must be set: it is empty");
    return EXIT_USAGE;
  }
  try {
    const applied = await migrate({
      databaseUrl,
      folder: `${PROJECT_DIR}/migrations`,
      log: console.log,
      confirmDestructive: Deno.args.includes("--confirm"),
    });
    if (applied.length === 0) console.log("the schema is up to date");
    return 0;
  } catch (error) {
    const known = error instanceof MigrationError;
    console.error(known ? error.message : `Cannot migrate: ${reasonOf(error)}`);
    return EXIT_FAILED;
  }
}

Deno.exit(await main());
