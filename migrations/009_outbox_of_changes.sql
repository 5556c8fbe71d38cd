-- An outbox row is a change of one aggregate, with all its events: a row for each event was found by
-- the same key, written by the same statement, published in the same batch and removed together, and
-- cost Postgres a tuple, two index entries and a mark each time.
alter table outbox rename to outbox_by_event;
alter table outbox_by_event rename constraint outbox_pkey to outbox_by_event_pkey;
alter sequence outbox_id_seq rename to outbox_by_event_id_seq;
drop index outbox_unpublished;
drop index outbox_written;

create table outbox (
  -- Leaves room for the ids of its events.
  id bigint generated always as identity (increment by 100),
  region text not null,
  shard smallint not null,
  key uuid not null,
  aggregate_version integer not null,
  occurred_at timestamptz not null default clock_timestamp(),
  trace text,
  -- A JSON text per line: {"id", "type", "version", "data"}, in the order of the events. As text,
  -- because the relay puts it into the stream as it is (shared/outbox/change_events.ts).
  events text not null,
  published_at timestamptz,
  -- A second writer of a version fails; also finds one aggregate's events in their order.
  primary key (key, aggregate_version)
);

-- A change of which some events were not published yet is published again: repeats change nothing.
insert into outbox (id, region, shard, key, aggregate_version, occurred_at, trace, events,
  published_at)
overriding system value
select 100 * min(id), min(region), min(shard), key, aggregate_version, min(occurred_at), min(trace),
  string_agg(
    '{"id":"' || event_id || '","type":' || to_json(type) || ',"version":' || version ||
      -- Line breaks in a JSON text stand between its values, never inside them.
      ',"data":' || translate(data::text, E'\n\r', '  ') || '}',
    E'\n' order by event_index),
  case when bool_and(published_at is not null) then max(published_at) end
from outbox_by_event
group by key, aggregate_version
order by min(id);
select setval('outbox_id_seq', (select 100 * last_value from outbox_by_event_id_seq));
drop table outbox_by_event;

-- The relay's only query: unpublished changes of one partition, oldest first.
create index outbox_unpublished on outbox (region, shard, id) where published_at is null;
-- Retention, and the rebuild of Redis.
create index outbox_written on outbox using brin (id, published_at) with (autosummarize = on);

-- One row per event, to look at.
create view outbox_events as
select id + place - 1 as id, (event ->> 'id')::uuid as event_id, event ->> 'type' as type,
  (event ->> 'version')::smallint as version, region, shard, key, aggregate_version,
  (place - 1)::smallint as event_index, occurred_at, trace, event -> 'data' as data, published_at
from outbox cross join lateral (
  select line::json as event, place
  from string_to_table(events, E'\n') with ordinality as lines (line, place)
) as each_event;
