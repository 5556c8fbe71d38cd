/** What `deno task streams` prints. Pure. */
import type { ParkedCount, ParkedEvent, ParkedKey } from "shared/streams/parked.ts";
import type { ReplayBlock, ReplayOutcome } from "shared/streams/replay.ts";
import type { StreamFacts } from "shared/streams/stream_facts.ts";

/** Streams with their groups, as a table. */
export function streamsTable(streams: readonly StreamFacts[]): string {
  if (streams.length === 0) return "no streams";
  const rows = streams.flatMap(({ stream, length, groups }) => {
    const first = [stream, String(length)];
    if (groups.length === 0) return [[...first, "(no group)", "", "", ""]];
    return groups.map(({ name, pending, lag, oldestPendingMs }, index) => [
      ...(index === 0 ? first : ["", ""]),
      name,
      String(pending),
      String(lag),
      oldestPendingMs === undefined ? "-" : ageText(oldestPendingMs),
    ]);
  });
  return table(["stream", "length", "group", "pending", "lag", "oldest pending"], rows);
}

/** Parked events by key, as a table. */
export function parkedTable(parked: readonly ParkedCount[], now: Date): string {
  if (parked.length === 0) return "nothing is parked";
  const rows = parked.map(({ firstId, consumer, key, stream, count, oldestAt }) => [
    firstId,
    consumer,
    key,
    String(count),
    ageText(now.getTime() - oldestAt.getTime()),
    stream,
  ]);
  return table(["first id", "consumer", "key", "parked", "since", "stream"], rows);
}

/** Everything about one parked event. */
export function parkedText(event: ParkedEvent): string {
  const lines = [
    `parked id  ${event.id}`,
    `consumer   ${event.consumer}`,
    `stream     ${event.stream}`,
    `entry      ${event.entryId}`,
    ...(event.originId === event.entryId ? [] : [`replay of  ${event.originId}`]),
    `key        ${event.key}`,
    `attempts   ${event.attempts}`,
    `parked at  ${event.parkedAt.toISOString()}`,
    `cause      ${event.cause.replaceAll("\n", "\n           ")}`,
  ];
  for (const [name, value] of Object.entries(event.fields)) {
    lines.push(`field ${name}:`, indented(value));
  }
  return lines.join("\n");
}

/** One sentence about a key's replay. */
export function replayText(key: ParkedKey, outcome: ReplayOutcome): string {
  const name = `${key.consumer} ${key.key}`;
  switch (outcome.result) {
    case "handled":
      return `${name}: ${outcome.count} handled`;
    case "parked_again":
      return `${name}: parked again from id ${outcome.first.id} on: ${
        outcome.first.cause.split("\n")[0]
      }`;
    case "waiting":
      return `${name}: ${outcome.count} are on the stream and not handled yet: is ${key.consumer} running?`;
    case "overtaken":
      return `${name}: new events of the key kept coming and all ${outcome.count} are parked: ` +
        "replay again when it is quiet, or drop them";
    case "blocked":
      return `Cannot replay ${name}: ${blockText(key, outcome.block)}`;
  }
}

function blockText({ consumer, stream }: ParkedKey, block: ReplayBlock): string {
  switch (block.reason) {
    case "no_group":
      return `${stream} has no group ${consumer}: start the service first`;
    case "unread":
      return `${consumer} has not read all of ${stream}: is it running?`;
    case "unfinished":
      return `${consumer} has not finished entry ${block.entryId}, which comes before: is it running?`;
    case "full":
      return `${stream} is full: a group is stuck`;
    case "too_many":
      return `a replay has at most 10,000 events: there are ${block.count}: drop some`;
    case "empty":
      return `${block.parkedId} was removed from the stream before it was read: drop it`;
  }
}

/** `12 s`, `3 min`, `5 h`, `2 d`. */
export function ageText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

function indented(value: string): string {
  let text = value;
  try {
    text = JSON.stringify(JSON.parse(value), null, 2);
  } catch {
    // Not JSON, which may be why it was parked: shown as it is.
  }
  return text.split("\n").map((line) => `  ${line}`).join("\n");
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all.map((row) => row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join("  ").trimEnd())
    .join("\n");
}
