-- The event backbone: what must be true for events to be published, consumed and timed exactly once.

-- A client that stops inside a transaction would hold its row locks for ever. Set on the database
-- and not per connection, so that it also holds behind PgBouncer.
do $$
begin
  execute format('alter database %I set idle_in_transaction_session_timeout = %L',
    current_database(), '5s');
end $$;

-- Every change of an aggregate inserts its events here, in the same transaction and while the
-- aggregate's row is locked: so, per aggregate, id order is commit order. Across aggregates it is
-- not, which is why the relay never remembers a highest id (ADR 0006).
create table outbox (
  id bigint generated always as identity primary key,
  event_id uuid not null unique,
  type text not null,
  version smallint not null,
  region text not null,
  shard smallint not null,
  key text not null,
  aggregate text not null,
  aggregate_version integer not null,
  event_index smallint not null,
  occurred_at timestamptz not null default clock_timestamp(),
  trace text,
  data jsonb not null,
  published_at timestamptz,
  unique (aggregate, aggregate_version, event_index)
);
-- The relay's only query: unpublished rows of one partition, oldest first.
create index outbox_unpublished on outbox (region, shard, id) where published_at is null;
-- Retention of published rows.
create index outbox_published on outbox (published_at) where published_at is not null;
-- The history of one order or courier.
create index outbox_key on outbox (key, id);

-- An effect inserts its event here in its own transaction; a repeat then changes nothing.
create table processed_events (
  consumer text not null,
  event_id uuid not null,
  processed_at timestamptz not null default clock_timestamp(),
  primary key (consumer, event_id)
);
create index processed_events_age on processed_events (processed_at);

-- Entries that a consumer could not handle, kept until somebody replays or drops them.
create table parked_events (
  id bigint generated always as identity primary key,
  consumer text not null,
  stream text not null,
  entry_id text not null,
  key text not null,
  event text not null,
  cause text not null,
  attempts integer not null,
  parked_at timestamptz not null default clock_timestamp(),
  unique (consumer, stream, entry_id)
);

-- The oldest entry each consumer has not finished, for the rebuild after a loss of Redis.
create table consumer_checkpoints (
  consumer text not null,
  stream text not null,
  entry_id text not null,
  updated_at timestamptz not null default clock_timestamp(),
  primary key (consumer, stream)
);

-- One owner at a time for a named piece of work. The fence grows with every change of owner.
create table leases (
  name text primary key,
  owner text not null,
  fence bigint not null,
  expires_at timestamptz not null
);

-- Deadlines, inserted by the transaction that needs them and fired by keeper. The version lets a
-- timer find out that what it was for has already happened.
create table timers (
  id bigint generated always as identity primary key,
  kind text not null,
  key uuid not null,
  version integer not null,
  due_at timestamptz not null,
  unique (kind, key, version)
);
create index timers_due on timers (due_at);

-- Raised whenever Redis is found to have lost data; Redis holds a copy in meta:generation.
create table redis_generation (
  only_row boolean primary key default true check (only_row),
  generation integer not null
);
insert into redis_generation (generation) values (1);
