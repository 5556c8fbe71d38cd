/** Rules about orders, assignments and offers, checked against Postgres and what clients were told. */
import {
  isTerminal,
  nextState,
  ORDER_ACTIONS,
  type OrderKind,
  type OrderState,
} from "shared/orders/lifecycle.ts";
import type { Sql } from "shared/sql/connect.ts";
import { brokenRules } from "../harness/order_rules.ts";
import { missingConstraints } from "./constraints.ts";
import type { Evidence, Violation } from "./evidence.ts";
import type { History } from "./history.ts";
import { ownersAtOffers } from "./notary.ts";

/** A timer may be late by keeper's longest sleep and a restart of it. */
const TIMER_GRACE_S = 10;

interface StoredAnswer {
  readonly key: string;
  readonly status: number;
  readonly orderId: string | null;
}

/** I1: told orders exist once; what was not told exists at most once; nothing else exists. */
export async function checkAccepted({ sql, history }: Evidence): Promise<Violation[]> {
  const violations: Violation[] = [];
  const broken = (detail: string) => violations.push({ rule: "I1", detail });
  const answers = await sql<StoredAnswer[]>`
    select key, status, body ->> 'id' as order_id from idempotency`;
  const orders = new Set((await sql<{ id: string }[]>`select id from orders`).map(({ id }) => id));
  const byKey = Map.groupBy(answers, (answer) => answer.key);
  for (const [key, told] of history.toldIds()) {
    const stored = byKey.get(key) ?? [];
    const attempts = history.attempts.filter((attempt) =>
      attempt.key === key && attempt.op !== "reuse"
    );
    if (told.size > 1) broken(`key ${key} was told orders ${[...told].join(" and ")}`);
    if (stored.length > 1) broken(`key ${key} has ${stored.length} stored answers`);
    for (const id of told) {
      if (!orders.has(id)) broken(`order ${id} was accepted (key ${key}) and does not exist`);
      if (stored[0]?.orderId !== id) {
        broken(`key ${key} was told ${id}, its stored answer is ${stored[0]?.orderId ?? "absent"}`);
      }
    }
    if (attempts.at(-1)?.outcome === "unknown") {
      const { status, code } = attempts.at(-1) ?? {};
      broken(`key ${key} never got an answer; the last was ${status} ${code}`);
    }
    const refused = attempts.find((attempt) => attempt.outcome === "fail");
    if (refused !== undefined) broken(`key ${key} was refused: ${refused.status} ${refused.code}`);
  }
  violations.push(...answerErrors(history));
  const wanted = new Set(answers.map(({ orderId }) => orderId));
  for (const id of orders) {
    if (!wanted.has(id)) broken(`order ${id} exists and nobody's key made it`);
  }
  for (const { key, orderId } of answers) {
    if (orderId !== null && !orders.has(orderId)) {
      broken(`key ${key} has the answer of order ${orderId}, which does not exist`);
    }
  }
  return violations;
}

/** A key keeps one request and one answer: another body with it is refused. */
function answerErrors(history: History): Violation[] {
  const details: string[] = [];
  const hashes = new Map<string, string>();
  for (const { key, op, answerHash, status, code } of history.attempts) {
    if (op === "reuse" && code !== "idempotency.key_reused") {
      details.push(`key ${key} came with another body and was answered ${status} ${code}`);
    }
    if (answerHash === undefined || op === "reuse") continue;
    const first = hashes.get(key) ?? answerHash;
    hashes.set(key, first);
    if (first !== answerHash) details.push(`key ${key} got two different answers`);
  }
  return details.map((detail) => ({ rule: "I1", detail }));
}

interface Step {
  readonly orderId: string;
  readonly kind: OrderKind;
  readonly status: OrderState;
  readonly steps: readonly { readonly from: OrderState; readonly to: OrderState }[];
}

/** I2: every order has ended, and its events lead from `placed` to that end by legal steps. */
export async function checkLives({ sql }: Evidence): Promise<Violation[]> {
  const rows = await sql<Step[]>`
    select o.id as order_id, o.kind, o.status, coalesce((
      select jsonb_agg(jsonb_build_object('from', e.data ->> 'from', 'to', e.data ->> 'to')
        order by e.id)
      from outbox_events e where e.key = o.id and e.type = 'order.status_changed'), '[]') as steps
    from orders o`;
  return rows.flatMap(({ orderId, kind, status, steps }) => {
    const details: string[] = [];
    if (!isTerminal(status)) details.push(`order ${orderId} is still ${status}`);
    let at: OrderState = "placed";
    for (const { from, to } of steps) {
      if (from !== at) details.push(`order ${orderId} went on from ${from} although it was ${at}`);
      if (!isLegal(kind, from, to)) details.push(`order ${orderId} went from ${from} to ${to}`);
      at = to;
    }
    if (at !== status) details.push(`order ${orderId} is ${status} and its events end at ${at}`);
    return details.map((detail) => ({ rule: "I2" as const, detail }));
  });
}

function isLegal(kind: OrderKind, from: OrderState, to: OrderState): boolean {
  return ORDER_ACTIONS.some((action) => nextState(kind, from, action) === to);
}

/** I3: by the rows as they stand, and by the intervals of all assignments there ever were. */
export async function checkAssignments(evidence: Evidence): Promise<Violation[]> {
  const { sql } = evidence;
  const details = [
    ...await brokenRules(sql),
    ...await overlappingAssignments(sql),
    ...await offersOfOthers(evidence),
    ...await missingConstraints(sql),
  ];
  return details.map((detail) => ({ rule: "I3", detail }));
}

/** Offers of a process that did not own the region when it made them. */
async function offersOfOthers({ sql, logLines }: Evidence): Promise<string[]> {
  const owners = await ownersAtOffers(sql);
  return logLines.flatMap((line) => {
    const [, maker] = /^(\S+) .*"message":"offer made"/.exec(line) ?? [];
    const [, offerId] = /"offerId":"([^"]+)"/.exec(line) ?? [];
    if (maker === undefined || offerId === undefined || !owners.has(offerId)) return [];
    const owner = owners.get(offerId);
    return owner === maker
      ? []
      : [`${maker} made offer ${offerId} while ${owner} owned the region`];
  });
}

async function overlappingAssignments(sql: Sql): Promise<string[]> {
  const rows = await sql<{ detail: string }[]>`
    select format('order %s had couriers %s and %s at the same time', a.order_id, a.courier_id,
      b.courier_id) as detail
    from assignments a join assignments b on a.order_id = b.order_id and a.id < b.id
      and tstzrange(a.created_at, a.ended_at) && tstzrange(b.created_at, b.ended_at)
    union all
    select format('courier %s had %s orders at %s and a capacity of %s', c.id, count(*),
      a.created_at, c.capacity)
    from assignments a join couriers c on c.id = a.courier_id
      join assignments b on b.courier_id = a.courier_id
        and tstzrange(b.created_at, b.ended_at) @> a.created_at
    group by c.id, c.capacity, a.id, a.created_at having count(*) > c.capacity`;
  return rows.map((row) => row.detail);
}

/** I9: once all is quiet, nothing waits any more. */
export async function checkNothingLeft({ sql }: Evidence): Promise<Violation[]> {
  const rows = await sql<{ detail: string }[]>`
    select format('offer %s of order %s is still pending', id, order_id) as detail
    from offers where status = 'pending'
    union all
    select format('assignment %s of order %s has not ended', id, order_id)
    from assignments where ended_at is null
    union all
    select format('timer %s of %s was due at %s', kind, key, due_at) from timers
    where due_at < clock_timestamp() - ${TIMER_GRACE_S} * interval '1 second'`;
  return rows.map(({ detail }) => ({ rule: "I9", detail }));
}
