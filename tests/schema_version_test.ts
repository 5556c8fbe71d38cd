import { strictEqual } from "node:assert/strict";
import { SCHEMA_VERSION } from "shared/sql/schema_version.ts";
import { listFiles } from "./house/source_tree.ts";

Deno.test("SCHEMA_VERSION is the number of the newest migration", async () => {
  const files = (await listFiles("migrations")).filter((path) => path.endsWith(".sql"));
  strictEqual(Number(files.at(-1)?.slice("migrations/".length).slice(0, 3)), SCHEMA_VERSION);
});
