-- The outbox is the busiest table: each event is inserted, marked and removed once. Measured per
-- event, more than half of what Postgres did was keeping indexes, so only those stay that a
-- statement at work needs.

-- Event ids are UUIDs that only appendEvents makes. A key is the aggregate's id, whose kind the
-- event's type tells, so the unique rule on it is the primary key; it also finds one aggregate's
-- events in their order. The relay reads and marks through outbox_unpublished.
alter table outbox
  drop constraint outbox_event_id_key,
  drop constraint outbox_pkey,
  drop column aggregate,
  alter column key type uuid using key::uuid;
alter table outbox add primary key (key, aggregate_version, event_index);
drop index outbox_key;

-- Rows lie about in the order in which they were written and published, so a summary of each range
-- of pages finds them, for a fraction of what an entry for each row costs.
drop index outbox_published;
create index outbox_written on outbox using brin (id, published_at) with (autosummarize = on);
drop index processed_events_age;
create index processed_events_age on processed_events using brin (processed_at)
  with (autosummarize = on);

-- Kept as the text that was written: the relay puts it into the stream as it is, and consumers
-- check it against the catalogue.
alter table outbox alter column data type json using data::json;

-- How many batches of a partition were appended to its stream and then marked. Redis counts the
-- same appends: when it knows of fewer, a failover has lost the end of the stream.
create table relay_progress (
  region text not null,
  shard smallint not null,
  batches bigint not null,
  primary key (region, shard)
);
