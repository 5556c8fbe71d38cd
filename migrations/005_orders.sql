-- Orders as the public API promises them: history that stays, schedules, cash, contacts, test mode,
-- and what couriers earn, plan and are rated.

alter table orders
  -- Test orders are carried by a robot and never by people; no list of live orders shows them.
  add column mode text not null default 'live' check (mode in ('live', 'test')),
  add column external_id text,
  -- When the customer wants it; null means now.
  add column window_start timestamptz,
  add column window_end timestamptz,
  -- Dispatch waits: until release_at (scheduled), or until a dispatcher says so.
  add column release_at timestamptz,
  add column hold text check (hold in ('scheduled', 'dispatcher')),
  -- How often a courier was lost before the pickup.
  add column redispatches smallint not null default 0,
  add column pickup_note text,
  add column dropoff_note text,
  -- {"name", "phone"}; never in an event or a log.
  add column pickup_contact jsonb,
  add column dropoff_contact jsonb,
  -- {"lengthCm", "widthCm", "heightCm"} of a parcel.
  add column size jsonb,
  add column weight_g integer check (weight_g > 0),
  add column required_vehicles text[] not null default '{}',
  add column required_skills text[] not null default '{}',
  -- Cash on delivery: to collect, and what the courier says was collected.
  add column cash_minor integer not null default 0 check (cash_minor >= 0),
  add column cash_collected_minor integer check (cash_collected_minor >= 0),
  -- {"by", "code", "reason", "feeMinor", "parts"}, once cancelled.
  add column cancellation jsonb,
  add constraint orders_window check (window_start < window_end),
  add constraint orders_hold check (hold is distinct from 'scheduled' or release_at is not null);

-- The dispatcher's queue, the oldest first.
create index orders_attention on orders (region, attention_at) where attention is not null;

-- Dispatchers look orders up by it; clients by theirs alone.
create index orders_external_id on orders (external_id) where external_id is not null;

-- A client's own id of an order, unique per account and mode. Not partitioned, because the rule
-- must hold over all months; kept as long as the orders are.
create table order_external_ids (
  account_id uuid not null,
  mode text not null check (mode in ('live', 'test')),
  external_id text not null check (length(external_id) between 1 and 100),
  order_id uuid not null,
  -- SHA-256 of the request: the same one again gets the same order, another one is refused.
  request_hash bytea not null,
  created_at timestamptz not null default clock_timestamp(),
  primary key (account_id, mode, external_id)
);

-- What happened to an order, who did it and why, written in the transaction of the change. The
-- outbox forgets after two days; this stays as long as the order and is partitioned with it.
create table order_history (
  order_id uuid not null,
  order_version integer not null,
  event_index smallint not null,
  event_id uuid not null,
  type text not null,
  occurred_at timestamptz not null,
  actor_role text not null,
  actor_id uuid,
  reason text,
  data jsonb not null,
  primary key (order_id, order_version, event_index)
) partition by range (order_id);
-- Alerts of dispatchers, the newest first.
create index order_history_alerts on order_history (event_id)
  where type in ('order.attention_raised', 'order.attention_cleared');

-- As before, and the same months of the history.
create or replace function ensure_order_partitions(months_ahead integer) returns integer
language plpgsql as $$
declare
  month timestamptz;
  created integer := 0;
  parent text;
  partition_name text;
begin
  -- Several keepers may look at once; the second finds the work done.
  perform pg_advisory_xact_lock(hashtext('ensure_order_partitions'));
  for month in
    select generate_series(
      date_trunc('month', clock_timestamp() at time zone 'UTC') - interval '1 month',
      date_trunc('month', clock_timestamp() at time zone 'UTC') + make_interval(months => months_ahead),
      interval '1 month') at time zone 'UTC'
  loop
    foreach parent in array array['orders', 'order_history'] loop
      partition_name := parent || '_' || to_char(month at time zone 'UTC', 'YYYY_MM');
      if to_regclass(partition_name) is null then
        execute format('create table %I partition of %I for values from (%L) to (%L)',
          partition_name, parent, uuid_lower_bound(month),
          uuid_lower_bound((month at time zone 'UTC' + interval '1 month') at time zone 'UTC'));
        created := created + 1;
      end if;
    end loop;
  end loop;
  return created;
end $$;
select ensure_order_partitions(3);

-- Orders that were placed before this file keep what the outbox still knows of them.
insert into order_history (order_id, order_version, event_index, event_id, type, occurred_at,
  actor_role, reason, data)
select key, aggregate_version, event_index, event_id, type, occurred_at,
  coalesce(data ->> 'actor', 'system'), data ->> 'reason', data::jsonb
from outbox
where type not like 'courier.%' and key >= uuid_lower_bound(
  (date_trunc('month', clock_timestamp() at time zone 'UTC') - interval '1 month')
    at time zone 'UTC');

alter table offers
  -- A dispatcher's or a robot's offer is taken as it is made and says nothing about the courier.
  add column made_by text not null default 'matcher'
    check (made_by in ('matcher', 'dispatcher', 'robot'));
create index offers_courier on offers (courier_id, created_at);

alter table assignments
  add column arrived_pickup_at timestamptz,
  add column arrived_dropoff_at timestamptz;
create index assignments_courier on assignments (courier_id, ended_at);

alter table couriers
  add column skills text[] not null default '{}',
  -- Heaviest load in grams; null means what the vehicle usually carries.
  add column max_load_g integer check (max_load_g > 0),
  -- Why the courier is paused, while it is: a planned break ends by itself, others do not.
  add column pause_reason text,
  -- Carries test orders; one per region, and never on shift.
  add column robot boolean not null default false,
  drop constraint couriers_capacity_check,
  add constraint couriers_capacity_check check (capacity between 1 and 50 or robot),
  add constraint couriers_robot_off_shift check (not robot or status = 'offline');
create unique index couriers_robot on couriers (region) where robot;

-- Planned work of a courier. Breaks are [{"startsAt", "endsAt"}, ...] inside it.
create table courier_shifts (
  id uuid primary key,
  courier_id uuid not null references couriers (id),
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  breaks jsonb not null default '[]',
  created_at timestamptz not null default clock_timestamp(),
  check (starts_at < ends_at)
);
create index courier_shifts_courier on courier_shifts (courier_id, starts_at);

-- What a courier earned, one row per cause, in the transaction of the cause. Rows are only added.
create table courier_earnings (
  id uuid primary key,
  courier_id uuid not null references couriers (id),
  region text not null,
  order_id uuid not null,
  order_version integer not null,
  kind text not null check (kind in ('delivery', 'tip', 'cancellation')),
  amount_minor integer not null check (amount_minor >= 0),
  currency text not null,
  earned_at timestamptz not null default clock_timestamp(),
  unique (order_id, order_version, kind)
);
create index courier_earnings_courier on courier_earnings (courier_id, earned_at);

-- What the customer said of courier and merchant, once per order.
create table ratings (
  order_id uuid not null,
  subject text not null check (subject in ('courier', 'merchant')),
  subject_id uuid not null,
  rater_id uuid not null,
  stars smallint not null check (stars between 1 and 5),
  comment text,
  created_at timestamptz not null default clock_timestamp(),
  primary key (order_id, subject)
);
create index ratings_subject on ratings (subject, subject_id);
