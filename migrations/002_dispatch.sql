-- People, merchants, orders, couriers, offers and assignments: the truth of dispatch.

create table regions (
  id text primary key check (id ~ '^[a-z][a-z0-9_-]{1,40}$'),
  name text not null,
  -- Partitions of the region; changing it needs a rebuild (DESIGN §11).
  shards smallint not null default 1 check (shards between 1 and 64),
  time_zone text not null,
  currency text not null check (currency ~ '^[A-Z]{3}$'),
  -- Served area as a ring of [lat, lon] pairs.
  area jsonb not null,
  policy jsonb not null,
  policy_version integer not null default 1
);

create table accounts (
  id uuid primary key,
  role text not null check (role in ('customer', 'courier', 'merchant', 'dispatcher', 'admin')),
  name text not null,
  -- Lower case, so that one mailbox has one account.
  email text not null unique check (email = lower(email)),
  password_hash text not null,
  created_at timestamptz not null default clock_timestamp()
);

create table sessions (
  -- SHA-256 of the token: a stolen table opens nothing.
  token_hash bytea primary key,
  account_id uuid not null references accounts (id) on delete cascade,
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null
);
create index sessions_account on sessions (account_id);
create index sessions_expiry on sessions (expires_at);

-- The first answer to a request with an Idempotency-Key, per caller, for 24 h.
create table idempotency (
  account_id uuid not null,
  key text not null check (length(key) between 1 and 255),
  request_hash bytea not null,
  status smallint not null,
  body jsonb not null,
  created_at timestamptz not null default clock_timestamp(),
  primary key (account_id, key)
);
create index idempotency_age on idempotency (created_at);

create table merchants (
  id uuid primary key,
  account_id uuid not null references accounts (id),
  region text not null references regions (id),
  name text not null,
  category text not null,
  address text not null,
  lat double precision not null,
  lon double precision not null,
  preparation_minutes smallint not null check (preparation_minutes between 0 and 240),
  open boolean not null default true
);
create index merchants_account on merchants (account_id);
create index merchants_region on merchants (region);

create table menu_items (
  id uuid primary key,
  merchant_id uuid not null references merchants (id) on delete cascade,
  name text not null,
  price_minor integer not null check (price_minor >= 0),
  available boolean not null default true
);
create index menu_items_merchant on menu_items (merchant_id);

create table couriers (
  id uuid primary key references accounts (id),
  region text not null references regions (id),
  shard smallint not null,
  status text not null default 'offline'
    check (status in ('available', 'busy', 'paused', 'offline')),
  -- Raised by every change; Redis keeps the highest it has seen.
  version integer not null default 0,
  vehicle text not null check (vehicle in ('foot', 'bicycle', 'motorcycle', 'car', 'van')),
  capacity smallint not null default 1 check (capacity between 1 and 50),
  active_assignments smallint not null default 0
    check (active_assignments between 0 and capacity),
  rating real not null default 5 check (rating between 1 and 5),
  status_changed_at timestamptz not null default clock_timestamp()
);
create index couriers_on_shift on couriers (region) where status <> 'offline';

-- The newest fix of each courier that reached Postgres: a coarse copy, for when Redis is lost.
create table courier_last_positions (
  courier_id uuid primary key,
  lat double precision not null,
  lon double precision not null,
  accuracy_m real,
  heading_deg real,
  speed_mps real,
  recorded_at timestamptz not null,
  received_at timestamptz not null
);

-- Partitioned by month on the primary key itself: ids are UUIDv7, so they carry their time and a
-- look-up by id touches one partition (ADR 0005).
create table orders (
  id uuid primary key,
  region text not null,
  shard smallint not null,
  kind text not null check (kind in ('marketplace', 'parcel')),
  status text not null check (status in ('placed', 'confirmed', 'preparing', 'ready_for_pickup',
    'picked_up', 'in_transit', 'delivered', 'failed_attempt', 'returning', 'returned',
    'cancelled', 'failed', 'expired')),
  version integer not null,
  customer_id uuid not null,
  merchant_id uuid,
  items jsonb not null,
  note text,
  pickup_lat double precision not null,
  pickup_lon double precision not null,
  pickup_address text,
  dropoff_lat double precision not null,
  dropoff_lon double precision not null,
  dropoff_address text,
  distance_m integer not null check (distance_m >= 0),
  preparation_minutes smallint not null,
  items_minor integer not null check (items_minor >= 0),
  delivery_minor integer not null check (delivery_minor >= 0),
  tip_minor integer not null check (tip_minor >= 0),
  currency text not null,
  estimated_delivery_at timestamptz not null,
  tracking_token_hash bytea not null,
  -- When each state was reached: {"placed": "2026-01-02T03:04:05.678Z", ...}.
  state_times jsonb not null,
  -- Dispatch: offers made so far, and why a dispatcher should look, if one should.
  offers_made smallint not null default 0,
  attention text,
  attention_at timestamptz,
  placed_at timestamptz not null default clock_timestamp()
) partition by range (id);

-- What the matcher loads when it starts: orders that still need something.
create index orders_open on orders (region, id)
  where status not in ('delivered', 'cancelled', 'returned', 'failed', 'expired');
create index orders_customer on orders (customer_id, id);
create index orders_merchant on orders (merchant_id, id);

-- The smallest UUIDv7 of an instant.
create function uuid_lower_bound(at timestamptz) returns uuid
language sql immutable strict as $$
  select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0')
    || '00000000000000000000')::uuid
$$;

-- Creates the monthly partitions from last month to `months_ahead`; returns how many were missing.
create function ensure_order_partitions(months_ahead integer) returns integer
language plpgsql as $$
declare
  month timestamptz;
  created integer := 0;
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
    partition_name := 'orders_' || to_char(month at time zone 'UTC', 'YYYY_MM');
    if to_regclass(partition_name) is null then
      execute format('create table %I partition of orders for values from (%L) to (%L)',
        partition_name, uuid_lower_bound(month),
        uuid_lower_bound((month at time zone 'UTC' + interval '1 month') at time zone 'UTC'));
      created := created + 1;
    end if;
  end loop;
  return created;
end $$;
select ensure_order_partitions(3);

-- Not partitioned, because a unique rule across partitions could not be enforced. No foreign keys
-- to orders: they would forbid detaching an old month. Only shared/orders writes these, with the
-- order's row locked.
create table offers (
  id uuid primary key,
  order_id uuid not null,
  courier_id uuid not null references couriers (id),
  status text not null
    check (status in ('pending', 'accepted', 'rejected', 'expired', 'withdrawn')),
  attempt smallint not null,
  distance_to_pickup_m integer not null,
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null,
  closed_at timestamptz,
  reason text
);
create unique index offers_one_pending_per_order on offers (order_id) where status = 'pending';
create unique index offers_one_pending_per_courier on offers (courier_id) where status = 'pending';
create index offers_order on offers (order_id, attempt);

create table assignments (
  id uuid primary key,
  order_id uuid not null,
  courier_id uuid not null references couriers (id),
  offer_id uuid,
  created_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz,
  end_reason text
);
-- One order, one courier (DESIGN §4.3).
create unique index assignments_one_active_per_order on assignments (order_id)
  where ended_at is null;
create index assignments_active_courier on assignments (courier_id) where ended_at is null;
create index assignments_order on assignments (order_id);

-- Why the matcher did what it did, in the transaction of what it did.
create table decisions (
  id uuid primary key,
  region text not null,
  order_id uuid not null,
  courier_id uuid,
  policy text not null,
  policy_version integer not null,
  decided_at timestamptz not null default clock_timestamp(),
  explanation jsonb not null
);
create index decisions_order on decisions (order_id, decided_at);
