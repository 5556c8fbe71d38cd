-- Each order placed with a key stores its answer for a day, so what that costs is part of placing.

-- The text that was given is what a repeat gets: nothing looks inside. To read, sort and compress a
-- kilobyte of JSON cost Postgres more than to write the row.
alter table idempotency alter column body type json using body::text::json;

-- Rows are written in the order of time and removed by it, so a summary of each range of pages finds
-- the old ones.
drop index idempotency_age;
create index idempotency_age on idempotency using brin (created_at) with (autosummarize = on);
