/**
 * The version after this one, as far as a deployment can tell: a migration that adds, a field in an
 * event that everybody reads, and an event that this version has never heard of. Made from a copy
 * of the project, because there is no release to take.
 */
import { join } from "node:path";
import { SCHEMA_VERSION } from "shared/sql/schema_version.ts";
import { type Edit, ProjectCopy } from "../harness/project_copy.ts";

/** The type of the event that only the newer version knows. */
export const NEWER_EVENT = "order.weighed";
/** What the newer version calls its form of `order.status_changed`. */
export const NEWER_EVENT_VERSION = 2;

/** What it changes in the files of this version. */
export const NEWER_EDITS: readonly Edit[] = [
  {
    file: "shared/sql/schema_version.ts",
    find: `SCHEMA_VERSION = ${SCHEMA_VERSION};`,
    replace: `SCHEMA_VERSION = ${SCHEMA_VERSION + 1};`,
  },
  {
    file: "shared/events/catalogue.ts",
    find: `  "order.status_changed": event(1, "An order moved from one state to another", {`,
    replace: `  "${NEWER_EVENT}": event(1, "An order was weighed", { ...order, weightG: z.int() }),
  "order.status_changed": event(${NEWER_EVENT_VERSION}, "An order moved from one state to another", {
    mood: z.string().optional(),`,
  },
  {
    file: "shared/orders/order_change.ts",
    find: `data: { ...this.ids, from: this.#status, to, actor: this.#deed.role },
    });`,
    replace: `data: { ...this.ids, from: this.#status, to, actor: this.#deed.role, mood: "newer" },
    });
    this.add({ type: "${NEWER_EVENT}", data: { ...this.ids, weightG: 1_200 } });`,
  },
  {
    file: "shared/orders/order_change.ts",
    find: "        offers_made = ${this.#offersMade},\n",
    replace: "        offers_made = ${this.#offersMade}, of_newer_version = 1200,\n",
  },
];

/** Makes the newer version. Dispose of it when its processes have ended. */
export async function makeNewerVersion(): Promise<ProjectCopy> {
  const copy = await ProjectCopy.make();
  try {
    await copy.patch(NEWER_EDITS);
    const number = String(SCHEMA_VERSION + 1).padStart(3, "0");
    await Deno.writeTextFile(
      join(copy.dir, "migrations", `${number}_weights.sql`),
      "-- additive: what orders weigh.\nalter table orders add column of_newer_version integer;\n",
    );
    return copy;
  } catch (error) {
    await copy[Symbol.asyncDispose]();
    throw error;
  }
}
