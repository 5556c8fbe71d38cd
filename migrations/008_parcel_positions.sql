-- additive: keys of devices that travel with one order, and where those were.

-- Such a key opens nothing but the positions of its order, and ends with it.
alter table api_keys add column order_id uuid;
create index api_keys_order on api_keys (order_id, id) where order_id is not null;

-- No reference to orders: old months of them are dropped whole.
create table parcel_positions (
  order_id uuid not null,
  -- By the device's clock; by the database's where the device's runs ahead.
  recorded_at timestamptz not null,
  received_at timestamptz not null default clock_timestamp(),
  key_id uuid not null,
  lat double precision not null check (lat between -90 and 90),
  lon double precision not null check (lon between -180 and 180),
  accuracy_m real,
  heading_deg real,
  speed_mps real,
  primary key (order_id, recorded_at)
);
create index parcel_positions_received on parcel_positions using brin (received_at);
