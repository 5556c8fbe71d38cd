/**
 * Replaying parked events: puts them back on their stream, for the consumer to handle again.
 *
 * Contract
 * - All parked events of a key go together, in the order in which they happened. One by one, a
 *   later one would be handled before an earlier one.
 * - One transaction locks the rows, appends, and then commits their removal. A death in between
 *   leaves the rows: the next replay repeats the events, and none is lost. Other groups of the
 *   stream see a repeat, which a stream may always have.
 * - Nothing overtakes. While rows exist, the consumer parks what else comes of the key behind
 *   them. The script appends only when the group has read everything and nothing of the key is
 *   under way: such an entry is older on the stream than the replay, and newer as an event. It is
 *   waited for, and then goes along.
 * - A consumer that reads the entries before the commit still sees the rows and parks the entries
 *   again, untried, with what else comes of the key. Then all of them are replayed again, until
 *   `timeoutMs`. The origin in each entry keeps their order, however often that happens.
 */
import { pause } from "shared/clock/timeout.ts";
import type { Redis } from "shared/redis/connect.ts";
import { runScript, type Script } from "shared/redis/script.ts";
import type { Sql } from "shared/sql/connect.ts";
import {
  ORIGIN_FIELD,
  type ParkedEvent,
  type ParkedKey,
  readParkedOfKey,
  removeParked,
} from "./parked.ts";
import { compareIds } from "./trim.ts";

/** Events of one key in a replay: one script call, while Redis does nothing else. */
export const MAX_REPLAY_EVENTS = 10_000;
/** The streams' own bound (`shared/outbox/relay.ts`). */
const MAX_STREAM_ENTRIES = 1_000_000;
/** Pending entries that are looked at for the key; more of them mean a consumer in trouble. */
const MAX_PENDING_LOOKED_AT = 1_000;
const LOOK_MS = 100;
/** Several times what a consumer takes to try an event that fails to the end. */
const TIMEOUT_MS = 30_000;

/**
 * Appends parked entries.
 * Guarantee: all entries or none; none while an entry of the key before them is unfinished.
 * KEYS 1 stream · ARGV 1 group, 2 text that entries of the key contain ('': all do), 3 bound of the
 * stream, 4 pending entries to look at, then per entry its fields as a JSON array
 * Returns {"appended", id ...}, or {"no_group"}, {"unread"}, {"unfinished", id}, {"full"}.
 */
const APPEND_PARKED: Script = {
  name: "append_parked",
  lua: `
    local stream, group, text = KEYS[1], ARGV[1], ARGV[2]
    if redis.call('EXISTS', stream) == 0 then return {'no_group'} end
    local delivered
    for _, flat in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
      local info = {}
      for i = 1, #flat, 2 do info[flat[i]] = flat[i + 1] end
      if info['name'] == group then delivered = info['last-delivered-id'] end
    end
    if not delivered then return {'no_group'} end
    if #redis.call('XRANGE', stream, '(' .. delivered, '+', 'COUNT', 1) > 0 then
      return {'unread'}
    end
    local pending = redis.call('XPENDING', stream, group, '-', '+', ARGV[4])
    if #pending >= tonumber(ARGV[4]) then return {'unfinished', pending[1][1]} end
    for _, item in ipairs(pending) do
      local entry = redis.call('XRANGE', stream, item[1], item[1])[1]
      for _, value in ipairs(entry and entry[2] or {}) do
        if string.find(value, text, 1, true) then return {'unfinished', item[1]} end
      end
    end
    if redis.call('XLEN', stream) + #ARGV - 4 > tonumber(ARGV[3]) then return {'full'} end
    local answer = {'appended'}
    for i = 5, #ARGV do
      answer[#answer + 1] = redis.call('XADD', stream, '*', unpack(cjson.decode(ARGV[i])))
    end
    return answer`,
};

export interface ReplayDeps {
  readonly sql: Sql;
  readonly redis: Redis;
}

/** Why nothing can be appended now. */
export type ReplayBlock =
  | { readonly reason: "no_group" | "unread" | "full" }
  | { readonly reason: "unfinished"; readonly entryId: string }
  | { readonly reason: "too_many"; readonly count: number }
  | { readonly reason: "empty"; readonly parkedId: string };

/** What one append did. */
export type AppendOutcome =
  | { readonly result: "none" }
  | { readonly result: "appended"; readonly entryIds: readonly string[] }
  | { readonly result: "blocked"; readonly block: ReplayBlock };

/** What became of a key's replay. */
export type ReplayOutcome =
  /** The consumer handled all events. */
  | { readonly result: "handled"; readonly count: number }
  /** One failed again; it and what comes after it are parked again. */
  | { readonly result: "parked_again"; readonly first: ParkedEvent }
  /** They are on the stream; the consumer has not finished them. */
  | { readonly result: "waiting"; readonly count: number }
  /** New events of the key kept coming; all are parked. */
  | { readonly result: "overtaken"; readonly count: number }
  | { readonly result: "blocked"; readonly block: ReplayBlock };

/** Appends a key's parked events once and removes their rows. `replayKey` says what came of it. */
export async function appendParked(deps: ReplayDeps, key: ParkedKey): Promise<AppendOutcome> {
  try {
    return await deps.sql.begin<AppendOutcome>(async (tx) => {
      const events = await readParkedOfKey(tx, key, { lock: true });
      if (events.length === 0) return { result: "none" };
      const refused = refusalOf(events);
      if (refused !== undefined) throw new Blocked(refused);
      // Removed first, so that nothing but the commit comes after the append.
      await removeParked(tx, events.map((event) => event.id));
      return { result: "appended", entryIds: await append(deps.redis, key, events) };
    });
  } catch (error) {
    if (error instanceof Blocked) return { result: "blocked", block: error.block };
    throw error;
  }
}

/** Rolls the removal back. */
class Blocked extends Error {
  override readonly name = "Blocked";
  readonly block: ReplayBlock;

  constructor(block: ReplayBlock) {
    super(block.reason);
    this.block = block;
  }
}

function refusalOf(events: readonly ParkedEvent[]): ReplayBlock | undefined {
  if (events.length > MAX_REPLAY_EVENTS) return { reason: "too_many", count: events.length };
  const empty = events.find(({ fields }) => Object.keys(fields).length === 0);
  return empty === undefined ? undefined : { reason: "empty", parkedId: empty.id };
}

/** The ids of the new entries. @throws Blocked when nothing was appended. */
async function append(
  redis: Redis,
  { consumer, stream, key }: ParkedKey,
  events: readonly ParkedEvent[],
): Promise<readonly string[]> {
  // A replay that died after its append left two rows of one event; the consumer needs one.
  const byOrigin = new Map(events.map((event) => [event.originId, event]));
  const reply = await runScript(redis, APPEND_PARKED, [stream], [
    consumer,
    textOfKey(key, events),
    MAX_STREAM_ENTRIES,
    MAX_PENDING_LOOKED_AT,
    ...[...byOrigin.values()].map(({ fields, originId }) =>
      JSON.stringify(Object.entries({ ...fields, [ORIGIN_FIELD]: originId }).flat())
    ),
  ]) as [AppendReply, ...string[]];
  const [result, ...ids] = reply;
  if (result === "appended") return ids;
  if (result === "unfinished") throw new Blocked({ reason: result, entryId: ids[0] ?? "" });
  throw new Blocked({ reason: result });
}

type AppendReply = "appended" | "no_group" | "unread" | "unfinished" | "full";

/** A key that its events do not contain (that of positions) counts every entry as one of its own. */
function textOfKey(key: string, events: readonly ParkedEvent[]): string {
  // Junk: its key is its entry id, and it waits for nothing.
  if (events.every((event) => event.entryId === key)) return key;
  const isContained = events.every(({ fields }) =>
    Object.values(fields).some((value) => value.includes(key))
  );
  return isContained ? key : "";
}

/**
 * Replays a key's parked events and waits until the consumer has handled them or parked them again.
 *
 * @param options.timeoutMs how long is waited, for the consumer to be ready and then to handle.
 */
export async function replayKey(
  deps: ReplayDeps,
  key: ParkedKey,
  options: { readonly timeoutMs?: number } = {},
): Promise<ReplayOutcome> {
  const deadlineMs = performance.now() + (options.timeoutMs ?? TIMEOUT_MS);
  let appended: readonly string[] | undefined;
  let last: ReplayOutcome = { result: "handled", count: 0 };
  do {
    if (appended === undefined) {
      const outcome = await appendParked(deps, key);
      if (outcome.result === "none") return { result: "handled", count: 0 };
      if (outcome.result === "appended") appended = outcome.entryIds;
      else if (isLasting(outcome.block)) return outcome;
      else last = outcome;
    } else if (await isUnfinished(deps.redis, key, appended)) {
      last = { result: "waiting", count: appended.length };
    } else {
      const parked = await readParkedOfKey(deps.sql, key, { alsoEntryIds: appended });
      const [first] = parked;
      if (first === undefined) return { result: "handled", count: appended.length };
      if (first.attempts > 0) return { result: "parked_again", first };
      last = { result: "overtaken", count: parked.length };
      appended = undefined;
    }
    await pause(LOOK_MS);
  } while (performance.now() < deadlineMs);
  return last;
}

/** What waiting does not change. */
function isLasting(block: ReplayBlock): boolean {
  return block.reason === "too_many" || block.reason === "empty" || block.reason === "no_group";
}

/** The entries of an append follow one another, so that no other entry is in their range. */
async function isUnfinished(
  redis: Redis,
  { stream, consumer }: ParkedKey,
  ids: readonly string[],
): Promise<boolean> {
  const [first = "-"] = ids;
  const last = ids.at(-1) ?? "+";
  const groups = await redis.xinfo("GROUPS", stream) as unknown[][];
  const group = groups.find((flat) => flat[flat.indexOf("name") + 1] === consumer) ?? [];
  const delivered = String(group[group.indexOf("last-delivered-id") + 1]);
  if (compareIds(delivered, last) < 0) return true;
  const pending = await redis.xpending(stream, consumer, first, last, 1);
  return pending.length > 0;
}
