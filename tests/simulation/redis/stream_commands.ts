/** The stream commands of the simulated Redis. */
import { BLOCKED, type RedisServer, ReplyError, UnknownCommandError, wrongType } from "./server.ts";
import {
  appendEntry,
  compareEntryIds,
  createStream,
  deliverNew,
  entriesBetween,
  type Group,
  lowestPending,
  pendingAfter,
  type Stream,
} from "./stream.ts";

export function streamCommand(
  server: RedisServer,
  name: string,
  args: readonly string[],
): unknown {
  switch (name) {
    case "xadd":
      return add(server, args);
    case "xlen":
      return find(server, args[0])?.entries.length ?? 0;
    case "xrange":
    case "xrevrange":
      return range(server, name, args);
    case "xgroup":
      return group(server, args);
    case "xreadgroup":
      return readGroup(server, args);
    case "xack":
      return acknowledge(server, args);
    case "xpending":
      return pending(server, args);
    case "xinfo":
      return info(server, args);
    case "xtrim":
      return trim(server, args);
    default:
      throw new UnknownCommandError(name);
  }
}

function find(server: RedisServer, key = ""): Stream | undefined {
  const stored = server.get(key);
  if (stored === undefined) return undefined;
  if (stored.kind !== "stream") throw wrongType();
  return stored.stream;
}

function findOrCreate(server: RedisServer, key: string): Stream {
  const found = find(server, key);
  if (found !== undefined) return found;
  const stream = createStream();
  server.set(key, { kind: "stream", stream });
  return stream;
}

function add(server: RedisServer, [key = "", ...rest]: readonly string[]): string {
  const stream = findOrCreate(server, key);
  // `MAXLEN n` and `MAXLEN ~ n` before the id.
  const isBounded = rest[0]?.toLowerCase() === "maxlen";
  const boundAt = rest[1] === "~" ? 2 : 1;
  const fields = isBounded ? rest.slice(boundAt + 1) : rest;
  if (fields[0] !== "*") throw new UnknownCommandError(`xadd with the id ${fields[0]}`);
  const id = appendEntry(stream, fields.slice(1), server.nowMs());
  if (isBounded) stream.entries = stream.entries.slice(-Number(rest[boundAt]));
  return id;
}

function range(server: RedisServer, name: string, args: readonly string[]): unknown {
  const [key = "", first = "", second = ""] = args;
  const [from, to] = name === "xrange" ? [first, second] : [second, first];
  const stream = find(server, key);
  const entries = stream === undefined ? [] : entriesBetween(stream, from, to);
  if (name === "xrevrange") entries.reverse();
  const at = args.findIndex((arg) => arg.toUpperCase() === "COUNT");
  const count = at === -1 ? Infinity : Number(args[at + 1]);
  return entries.slice(0, count).map(({ id, fields }) => [id, [...fields]]);
}

function group(server: RedisServer, args: readonly string[]): string {
  const [action = "", key = "", name = "", from = "0"] = args;
  if (action.toUpperCase() !== "CREATE") throw new UnknownCommandError(`xgroup ${action}`);
  if (find(server, key) === undefined && !args.includes("MKSTREAM")) {
    throw new ReplyError("ERR The XGROUP subcommand requires the key to exist.");
  }
  const stream = findOrCreate(server, key);
  if (stream.groups.has(name)) {
    throw new ReplyError("BUSYGROUP Consumer Group name already exists");
  }
  const lastDeliveredId = from === "$" ? stream.lastId : from === "0" ? "0-0" : from;
  stream.groups.set(name, { lastDeliveredId, pending: new Map() });
  return "OK";
}

function requireGroup(
  server: RedisServer,
  key: string,
  name: string,
): { stream: Stream; group: Group } {
  const stream = find(server, key);
  const found = stream?.groups.get(name);
  if (stream === undefined || found === undefined) {
    throw new ReplyError(`NOGROUP No such key '${key}' or consumer group '${name}'`);
  }
  return { stream, group: found };
}

function readGroup(server: RedisServer, args: readonly string[]): unknown {
  const at = (word: string) => args.findIndex((arg) => arg.toUpperCase() === word);
  const [name = "", consumer = ""] = args.slice(at("GROUP") + 1);
  const count = at("COUNT") === -1 ? Infinity : Number(args[at("COUNT") + 1]);
  const [key = "", from = ">"] = args.slice(at("STREAMS") + 1);
  const { stream, group } = requireGroup(server, key, name);
  if (from !== ">") {
    return [[key, pendingAfter(stream, group, consumer, { after: from, count })]];
  }
  const fresh = deliverNew(stream, group, consumer, count);
  if (fresh.length > 0) return [[key, fresh.map(({ id, fields }) => [id, [...fields]])]];
  return at("BLOCK") === -1 ? null : BLOCKED;
}

function acknowledge(
  server: RedisServer,
  [key = "", name = "", ...ids]: readonly string[],
): number {
  const pending = find(server, key)?.groups.get(name)?.pending;
  return ids.filter((id) => pending?.delete(id) === true).length;
}

function pending(server: RedisServer, args: readonly string[]): unknown {
  const [key = "", name = "", from, to = "+", count = "0"] = args;
  const { group } = requireGroup(server, key, name);
  const ids = [...group.pending.keys()].sort(compareEntryIds);
  if (from === undefined) {
    return [ids.length, lowestPending(group) ?? null, ids.at(-1) ?? null, null];
  }
  const isIn = (id: string) =>
    (from === "-" || compareEntryIds(id, from) >= 0) &&
    (to === "+" || compareEntryIds(id, to) <= 0);
  return ids.filter(isIn).slice(0, Number(count))
    .map((id) => [id, group.pending.get(id) ?? "", 0, 1]);
}

function info(server: RedisServer, [what = "", key = ""]: readonly string[]): unknown {
  const stream = find(server, key);
  if (what.toUpperCase() !== "GROUPS") throw new UnknownCommandError(`xinfo ${what}`);
  if (stream === undefined) throw new ReplyError("ERR no such key");
  return [...stream.groups].map(([name, { pending, lastDeliveredId }]) => [
    "name",
    name,
    "consumers",
    new Set(pending.values()).size,
    "pending",
    pending.size,
    "last-delivered-id",
    lastDeliveredId,
  ]);
}

function trim(server: RedisServer, [key = "", how = "", bound = ""]: readonly string[]): number {
  const stream = find(server, key);
  if (how.toUpperCase() !== "MINID") throw new UnknownCommandError(`xtrim ${how}`);
  if (stream === undefined) return 0;
  const before = stream.entries.length;
  stream.entries = stream.entries.filter(({ id }) => compareEntryIds(id, bound) >= 0);
  return before - stream.entries.length;
}
