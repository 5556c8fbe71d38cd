-- What is sold, when, and for how much: menus with options, opening hours, zones, quotes.

-- Search by parts of words in any language, and past small misspellings.
create extension if not exists pg_trgm;

alter table merchants
  add column description text not null default '',
  -- IANA name; null is the region's.
  add column time_zone text,
  -- Weekly intervals and exceptions by date (shared/hours); null keeps no hours: always open.
  add column hours jsonb,
  -- Takes no orders before this; `open` is the switch without an end.
  add column paused_until timestamptz,
  -- Who carries: any courier, or only those of the merchant's own fleet.
  add column fleet text not null default 'shared' check (fleet in ('own', 'shared')),
  -- Gone from lists and orders; kept, because orders name it.
  add column archived_at timestamptz,
  add column created_at timestamptz not null default clock_timestamp(),
  add column updated_at timestamptz not null default clock_timestamp(),
  add constraint merchants_place_check check (lat between -90 and 90 and lon between -180 and 180);
create index merchants_nearby on merchants using gist (point(lon, lat)) where archived_at is null;
create index merchants_by_name on merchants (name, id) where archived_at is null;
create index merchants_by_category on merchants (lower(category)) where archived_at is null;
create index merchants_words on merchants using gin ((name || ' ' || category) gin_trgm_ops);

create table menu_categories (
  id uuid primary key,
  merchant_id uuid not null references merchants (id) on delete cascade,
  name text not null,
  sort_order integer not null default 0
);
create index menu_categories_merchant on menu_categories (merchant_id);

alter table menu_items
  add column description text not null default '',
  add column category_id uuid references menu_categories (id) on delete set null,
  add column sort_order integer not null default 0,
  -- Groups of options with prices and bounds (shared/pricing): read whole with the item, always.
  add column option_groups jsonb not null default '[]';
create index menu_items_category on menu_items (category_id) where category_id is not null;
create index menu_items_words on menu_items using gin (name gin_trgm_ops);

-- The merchant whose orders alone this courier carries; null carries for everybody.
alter table couriers add column fleet uuid references merchants (id);

-- Parts of a region with fees of their own.
create table zones (
  id uuid primary key,
  region text not null references regions (id),
  name text not null,
  -- An open ring of [lat, lon] pairs.
  ring jsonb not null,
  -- Where zones overlap the highest counts.
  priority integer not null default 0,
  fees jsonb not null,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp()
);
create index zones_region on zones (region);

-- A price that holds for a while, for one order.
create table quotes (
  id uuid primary key,
  account_id uuid not null references accounts (id) on delete cascade,
  region text not null,
  -- What was asked, and what an order that accepts the quote must ask again.
  request jsonb not null,
  items jsonb not null,
  price_parts jsonb not null,
  total_minor bigint not null check (total_minor >= 0),
  currency text not null,
  distance_m integer not null check (distance_m >= 0),
  driving_s real not null check (driving_s >= 0),
  created_at timestamptz not null default clock_timestamp(),
  valid_until timestamptz not null,
  order_id uuid,
  used_at timestamptz,
  check ((order_id is null) = (used_at is null))
);
create index quotes_validity on quotes (valid_until);

-- Adds up the parts of a price.
create function price_parts_sum(parts jsonb) returns bigint
language sql immutable strict as $$
  select coalesce(sum((part ->> 'amountMinor')::bigint), 0)::bigint
  from jsonb_array_elements(parts) part
$$;

-- All parts but the tip, which has a column of its own because it may change; null on orders that
-- are older than this.
alter table orders
  add column price_parts jsonb,
  add column quote_id uuid,
  add constraint orders_price_parts_add_up check (
    price_parts is null or price_parts_sum(price_parts) = items_minor::bigint + delivery_minor);
