/**
 * Whether the database itself refuses what must never be: each second row is tried and must meet a
 * unique rule. Code that checks first hides a lost rule from every run in which it checks well.
 */
import { uuidv7 } from "shared/ids/uuid.ts";
import { isSqlState, type Sql, SQLSTATE, type Tx } from "shared/sql/connect.ts";

class Undo extends Error {}

interface Probe {
  readonly sentence: string;
  insertTwice(tx: Tx, courierId: string, otherCourierId: string): Promise<unknown>;
}

const PROBES: readonly Probe[] = [
  {
    sentence: "two active assignments of an order",
    insertTwice: (tx, courierId) =>
      tx`
        insert into assignments (id, order_id, courier_id)
        select gen_random_uuid(), ${uuidv7()}::uuid, ${courierId}::uuid from generate_series(1, 2)`,
  },
  {
    sentence: "two pending offers of an order",
    insertTwice: (tx, courierId, otherCourierId) =>
      tx`
        insert into offers (id, order_id, courier_id, status, attempt, distance_to_pickup_m,
          expires_at)
        select gen_random_uuid(), ${uuidv7()}::uuid, id, 'pending', 1, 0, clock_timestamp()
        from unnest(${[courierId, otherCourierId]}::uuid[]) c (id)`,
  },
  {
    sentence: "two pending offers to a courier",
    insertTwice: (tx, courierId) =>
      tx`
        insert into offers (id, order_id, courier_id, status, attempt, distance_to_pickup_m,
          expires_at)
        select gen_random_uuid(), gen_random_uuid(), ${courierId}::uuid, 'pending', 1, 0,
          clock_timestamp()
        from generate_series(1, 2)`,
  },
  {
    sentence: "two changes of one version of an order",
    insertTwice: (tx) =>
      tx`
        insert into outbox (region, shard, key, aggregate_version, events)
        select 'none', 0, ${uuidv7()}::uuid, 1, ''
        from generate_series(1, 2)`,
  },
  {
    sentence: "two effects of one event",
    insertTwice: (tx) =>
      tx`
        insert into processed_events (consumer, event_id)
        select 'none', ${uuidv7()}::uuid from generate_series(1, 2)`,
  },
  {
    sentence: "two answers to one key",
    insertTwice: (tx, courierId) =>
      tx`
        insert into idempotency (account_id, key, request_hash, status, body)
        select ${courierId}::uuid, 'none', '', 201, '{}' from generate_series(1, 2)`,
  },
];

/** What the database would let in; empty when all rules stand. Leaves nothing behind. */
export async function missingConstraints(sql: Sql): Promise<string[]> {
  const idle = await sql<{ id: string }[]>`
    select id from couriers where id not in (
      select courier_id from offers where status = 'pending') order by id limit 2`;
  const [courier, other] = idle;
  // With fewer, another rule would answer in place of the one that is asked about.
  if (courier === undefined || other === undefined) return [];
  const details: string[] = [];
  for (const { sentence, insertTwice } of PROBES) {
    try {
      await sql.begin(async (tx) => {
        await insertTwice(tx, courier.id, other.id);
        throw new Undo();
      });
    } catch (error) {
      if (isSqlState(error, SQLSTATE.uniqueViolation)) continue;
      if (!(error instanceof Undo)) throw error;
      details.push(`the database would take ${sentence}`);
    }
  }
  return details;
}
