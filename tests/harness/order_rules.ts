/**
 * What must be true of the whole database between any two transactions (DESIGN §4.3, §4.4), as
 * queries that look for a row that breaks it.
 */
import type { Sql } from "shared/sql/connect.ts";

const TERMINAL = ["delivered", "cancelled", "returned", "failed", "expired"];
const CARRIED = ["picked_up", "in_transit", "failed_attempt", "returning"];

/** Names every broken rule and the row that breaks it; empty when all hold. */
export async function brokenRules(sql: Sql): Promise<string[]> {
  const rows = await sql<{ rule: string }[]>`
    ${loadRules(sql)} union all ${offerRules(sql)} union all ${assignmentRules(sql)}
    union all ${outboxRules(sql)} union all ${historyRules(sql)}`;
  return rows.map(({ rule }) => rule).sort();
}

function loadRules(sql: Sql) {
  return sql`
    select format('courier %s is %s with %s active orders on the row and %s in truth of %s', c.id,
      c.status, c.active_assignments, count(a.id), c.capacity) as rule
    from couriers c left join assignments a on a.courier_id = c.id and a.ended_at is null
    group by c.id
    having c.active_assignments <> count(a.id)
      or (c.status = 'available' and count(a.id) >= c.capacity)
      or (c.status = 'busy' and count(a.id) < c.capacity)
    union all
    select format('courier %s is offline and has order %s, which is %s', c.id, o.id, o.status)
    from couriers c join assignments a on a.courier_id = c.id and a.ended_at is null
      join orders o on o.id = a.order_id
    where c.status = 'offline' and not c.robot and not o.status = any(${CARRIED})
    union all
    select format('courier %s is %s and has offer %s', c.id, c.status, f.id)
    from couriers c join offers f on f.courier_id = c.id and f.status = 'pending'
    where c.status in ('offline', 'paused')`;
}

function offerRules(sql: Sql) {
  return sql`
    select format('order %s has %s pending offers', order_id, count(*)) from offers
    where status = 'pending' group by order_id having count(*) > 1
    union all
    select format('courier %s has %s pending offers', courier_id, count(*)) from offers
    where status = 'pending' group by courier_id having count(*) > 1
    union all
    select format('offer %s is pending although order %s is %s', f.id, o.id, o.status)
    from offers f join orders o on o.id = f.order_id
    where f.status = 'pending' and (o.status = any(${TERMINAL}) or o.status = any(${CARRIED})
      or exists (select 1 from assignments a where a.order_id = o.id and a.ended_at is null))
    union all
    select format('offer %s is %s and closed_at is %s', id, status, closed_at) from offers
    where (status = 'pending') <> (closed_at is null)
    union all
    select format('order %s counts %s offers, there are %s', o.id, o.offers_made, count(f.id))
    from orders o left join offers f on f.order_id = o.id
    group by o.id, o.offers_made
    having o.offers_made <> count(f.id) or count(distinct f.attempt) <> count(f.id)
      or coalesce(max(f.attempt), 0) <> count(f.id)
    union all
    select format('offer %s is %s and has events %s', f.id, f.status,
      coalesce(string_agg(e.type, ' ' order by e.id), 'none'))
    from offers f left join outbox_events e on e.key = f.order_id and e.type like 'offer.%'
      and e.data ->> 'offerId' = f.id::text
    group by f.id
    having coalesce(string_agg(e.type, ' ' order by e.id), '') <>
      case f.status when 'pending' then 'offer.made' else 'offer.made offer.' || f.status end`;
}

function assignmentRules(sql: Sql) {
  return sql`
    select format('order %s has %s active assignments', order_id, count(*)) from assignments
    where ended_at is null group by order_id having count(*) > 1
    union all
    select format('order %s is %s and has an active assignment', o.id, o.status)
    from orders o join assignments a on a.order_id = o.id and a.ended_at is null
    where o.status = any(${TERMINAL})
    union all
    select format('order %s is %s and nobody carries it', o.id, o.status) from orders o
    where o.status = any(${CARRIED}) and not exists (
      select 1 from assignments a where a.order_id = o.id and a.ended_at is null)
    union all
    select format('offer %s is %s and has %s assignments', f.id, f.status, count(a.id))
    from offers f left join assignments a on a.offer_id = f.id
    group by f.id having count(a.id) <> case f.status when 'accepted' then 1 else 0 end
    union all
    select format('assignment %s has events %s', a.id,
      coalesce(string_agg(e.type, ' ' order by e.id), 'none'))
    from assignments a left join outbox_events e on e.key = a.order_id and e.type like 'assignment.%'
      and e.data ->> 'assignmentId' = a.id::text
    group by a.id
    having coalesce(string_agg(e.type, ' ' order by e.id), '') <>
      case when a.ended_at is null then 'assignment.created'
        else 'assignment.created assignment.ended' end`;
}

/** Fixtures write couriers at version 1 without an event, so a courier's first may be 1 or 2. */
function outboxRules(sql: Sql) {
  return sql`
    select format('%s is at version %s and its events are %s', a.name, a.version,
      coalesce(string_agg(distinct e.aggregate_version::text, ' '), 'none'))
    from (
      select 'order:' || id as name, id, version, 1 as first_version from orders
      union all select 'courier:' || id, id, version, 2 from couriers where version > 1
    ) a left join outbox_events e on e.key = a.id
    group by a.name, a.version, a.first_version
    having count(distinct e.aggregate_version) < a.version - a.first_version + 1
      or max(e.aggregate_version) is distinct from a.version
      or min(e.aggregate_version) not in (1, a.first_version)
    union all
    select format('%s version %s has %s events in the outbox and %s in the history', h.order_id,
      h.order_version, count(e.id), count(*))
    from orders o join order_history h on h.order_id = o.id
      left join outbox_events e on e.key = h.order_id
        and e.aggregate_version = h.order_version and e.event_index = h.event_index
    group by h.order_id, h.order_version
    having count(e.id) <> count(*)
    union all
    select format('event %s of %s says version %s', event_id, key,
      data ->> 'orderVersion') from outbox_events
    where type not like 'courier.%' and (data ->> 'orderVersion')::int <> aggregate_version
    union all
    select format('events of %s were written out of order', key) from (
      select key, aggregate_version, event_index,
        lag(aggregate_version) over (partition by key order by id) as before
      from outbox_events
    ) o where o.before > o.aggregate_version`;
}

/** Nothing that happened to an order is missing from its history, and every deed has a doer. */
function historyRules(sql: Sql) {
  return sql`
    select format('event %s of %s version %s is not in the history as it is in the outbox',
      e.event_id, e.key, e.aggregate_version)
    from outbox_events e left join order_history h on h.order_id = e.key
      and h.order_version = e.aggregate_version and h.event_index = e.event_index
    where e.type not like 'courier.%'
      and (h.event_id, h.type, h.data) is distinct from (e.event_id, e.type, e.data::jsonb)
    union all
    select format('order %s version %s was changed by %s without an account', order_id,
      order_version, actor_role) from order_history
    where (actor_id is null) <> (actor_role in ('system', 'robot'))
    union all
    select format('order %s of test mode earned courier %s %s', o.id, e.courier_id, e.amount_minor)
    from courier_earnings e join orders o on o.id = e.order_id where o.mode = 'test'
    union all
    select format('order %s is delivered and has %s ledger rows of its delivery', o.id, count(e.id))
    from orders o left join courier_earnings e on e.order_id = o.id and e.kind = 'delivery'
    where o.status = 'delivered' and o.mode = 'live' and exists (
      select 1 from order_history h where h.order_id = o.id and h.type = 'delivery.completed')
    group by o.id having count(e.id) <> 1`;
}
