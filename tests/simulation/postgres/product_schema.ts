/** The product's tables for the simulation, from its own migrations. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readSchema, type Schema } from "./schema.ts";

const MIGRATIONS_DIR = fileURLToPath(new URL("../../../migrations/", import.meta.url));

/** What the simulated code reads and writes. */
const TABLES = [
  "outbox",
  "processed_events",
  "parked_events",
  "consumer_checkpoints",
  "relay_progress",
  "leases",
  "timers",
  "redis_generation",
  "regions",
  "accounts",
  "couriers",
  "orders",
  "offers",
  "assignments",
  "decisions",
  "order_history",
  "order_external_ids",
  "courier_earnings",
  "courier_shifts",
  "courier_last_positions",
  "ratings",
];

/** The schema after all migrations, with tables of the simulation's own. */
export function loadProductSchema(
  extraDdl = "",
  extraTables: readonly string[] = [],
  rewrite: (ddl: string) => string = (ddl) => ddl,
): Schema {
  const files = [...Deno.readDirSync(MIGRATIONS_DIR)].map(({ name }) => name)
    .filter((name) => name.endsWith(".sql")).sort();
  const texts = files.map((name) => Deno.readTextFileSync(join(MIGRATIONS_DIR, name)));
  return readSchema(rewrite([...texts, extraDdl].join(";\n")), [...TABLES, ...extraTables]);
}
