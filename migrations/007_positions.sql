-- additive: where couriers were, sampled, for replays, exports and trip summaries.

-- Which orders a row belongs to is told by the times of the assignments, not kept here. Two classes,
-- each with a retention of its own, and a partition per day, so that forgetting is dropping a table.
create table courier_positions (
  -- By the phone's clock; by Redis's where the phone's ran ahead.
  recorded_at timestamptz not null,
  courier_id uuid not null,
  -- 1e-7 degree (1 cm): half the room of a float.
  lat_e7 integer not null,
  lon_e7 integer not null,
  accuracy_m smallint,
  heading_deg smallint,
  speed_cmps smallint,
  -- How many fixes were kept since the row before, this one included.
  fixes integer not null,
  -- 0 usual, 1 late, 2 low accuracy, 3 jump (shared/history/position_kind.ts).
  kind smallint not null,
  -- Whether the courier had an order then.
  carrying boolean not null,
  -- A repeat of a batch changes nothing; and it finds a courier's time.
  primary key (courier_id, recorded_at, carrying)
) partition by list (carrying);
create table courier_positions_carrying partition of courier_positions
  for values in (true) partition by range (recorded_at);
create table courier_positions_free partition of courier_positions
  for values in (false) partition by range (recorded_at);
-- How far the history of a partition has come, written in the transaction of its rows. Ids of
-- entries are compared only within a generation of Redis: a new Redis may count from the beginning.
create table position_progress (
  region text not null,
  shard smallint not null,
  generation integer not null,
  entry_id text not null,
  -- Fixes that reached the history, and the rows they became.
  fixes bigint not null,
  sampled bigint not null,
  updated_at timestamptz not null default clock_timestamp(),
  primary key (region, shard)
);

-- Creates the partitions of these days (UTC), both classes; returns how many were missing.
create function ensure_position_partitions(first_day date, last_day date) returns integer
language plpgsql as $$
declare
  day date;
  class text;
  created integer := 0;
  partition_name text;
begin
  if last_day - first_day > 40 then
    raise exception 'days must be <= 40: they are %', last_day - first_day;
  end if;
  -- Several keepers may look at once; the second finds the work done.
  perform pg_advisory_xact_lock(hashtext('ensure_position_partitions'));
  for day in select generate_series(first_day, last_day, interval '1 day')::date loop
    foreach class in array array['carrying', 'free'] loop
      partition_name := 'courier_positions_' || class || '_' || to_char(day, 'YYYY_MM_DD');
      if to_regclass(partition_name) is null then
        execute format('create table %I partition of %I for values from (%L) to (%L)',
          partition_name, 'courier_positions_' || class,
          day::timestamp at time zone 'UTC', (day + 1)::timestamp at time zone 'UTC');
        created := created + 1;
      end if;
    end loop;
  end loop;
  return created;
end $$;

-- Drops the partitions of a class whose day is before this one; returns how many.
create function drop_position_partitions(class text, before date) returns integer
language plpgsql as $$
declare
  partition_name text;
  dropped integer := 0;
begin
  -- It waits for readers of the day; who writes meanwhile waits behind it, so not for long.
  perform set_config('lock_timeout', '2s', true);
  perform pg_advisory_xact_lock(hashtext('ensure_position_partitions'));
  for partition_name in
    select child.relname from pg_inherits
    join pg_class child on child.oid = inhrelid
    where inhparent = ('courier_positions_' || class)::regclass
      and to_date(right(child.relname, 10), 'YYYY_MM_DD') < before
    order by child.relname
  loop
    execute format('drop table %I', partition_name);
    dropped := dropped + 1;
  end loop;
  return dropped;
end $$;

select ensure_position_partitions(
  (clock_timestamp() at time zone 'UTC')::date - 2, (clock_timestamp() at time zone 'UTC')::date + 3);
