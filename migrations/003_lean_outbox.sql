-- The outbox is the busiest table: each event is inserted, marked and removed once. Measured per
-- event, more than half of what Postgres did was keeping indexes, so only those stay that a
-- statement at work needs.

-- Event ids are UUIDs that only appendEvents makes, and (aggregate, version, index) is unique.
alter table outbox drop constraint outbox_event_id_key;
-- One aggregate's events are found by the unique rule on the aggregate, in the same order.
drop index outbox_key;
-- Rows are published about in the order in which they lie there, so a summary of each range of
-- pages finds them by time, for a fraction of what an entry for each row costs.
drop index outbox_published;
create index outbox_published on outbox using brin (published_at) with (autosummarize = on);
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
