/**
 * Ways to break the backbone, each of which the simulation must notice. They change the product's
 * own statements, scripts and tables on their way to the simulated servers.
 */
import type { Sabotage } from "./world/simulation.ts";

export interface NamedSabotage {
  /** What is broken, as the end of "the simulation notices ...". */
  readonly name: string;
  readonly sabotage: Sabotage;
}

/** Replaces text wherever all of `where` stands in it; white space counts as one space. */
function replacing(where: string, from: string, to: string): (text: string) => string {
  return (text) => {
    const plain = text.replaceAll(/\s+/g, " ");
    return plain.includes(where) ? plain.replace(from, to) : text;
  };
}

export const SABOTAGES: readonly NamedSabotage[] = [
  {
    name: "a relay that reads from the highest published id on",
    sabotage: {
      sql: replacing(
        "order by id limit",
        "published_at is null",
        "id > coalesce((select max(id) from outbox where published_at is not null), 0)",
      ),
    },
  },
  {
    name: "an append that does not look at the fence and the number of the batch",
    sabotage: {
      lua: (text) =>
        text.replace("if fence and tonumber(fence) >", "if false and tonumber(fence) >")
          .replace("if batches < tonumber(ARGV[5]) - 1", "if batches < 0"),
    },
  },
  {
    name: "a stream that is cut at a length, whoever has not read it",
    sabotage: {
      lua: (text) =>
        text.replace(
          "redis.call('XADD', KEYS[1], '*', 'id'",
          "redis.call('XADD', KEYS[1], 'MAXLEN', '2', '*', 'id'",
        ),
    },
  },
  {
    name: "effects without a memory of what was processed",
    sabotage: { ddl: (text) => text.replace("primary key (consumer, event_id)", "check (true)") },
  },
  {
    name: "acknowledging before the effect is committed",
    sabotage: { acknowledgesEarly: true },
  },
  {
    name: "a fence that is looked at without holding it",
    sabotage: { sql: replacing("select 1 from leases", "for share", "") },
  },
  {
    name: "a lease that is taken while it is held",
    sabotage: {
      sql: replacing(
        "insert into leases",
        "where leases.expires_at < clock_timestamp()",
        "where true",
      ),
    },
  },
  {
    name: "timers that stay after they have fired",
    sabotage: { sql: replacing("delete from timers", "where id =", "where false and id =") },
  },
  {
    name: "timers that two keepers may take at once",
    sabotage: { sql: replacing("from timers where due_at", "for update skip locked", "") },
  },
  {
    name: "orders and couriers that are changed without their locks",
    sabotage: {
      sql: (text) =>
        text.includes("from orders where id = any") || text.includes("from couriers where id =")
          ? text.replace("for update", "")
          : text.replace(/and version = \$\d+/, ""),
    },
  },
  {
    name: "an offer that is accepted whatever became of it",
    sabotage: {
      sql: replacing(
        "clock_timestamp() >= expires_at as is_late",
        "status,",
        "'pending' as status,",
      ),
    },
  },
];
