/** A Redis stream with its consumer groups. Plain data, so that a copy of it is a backup. */

export interface Entry {
  readonly id: string;
  readonly fields: readonly string[];
}

export interface Group {
  lastDeliveredId: string;
  /** Entry ids handed out and not acknowledged, with the consumer, in id order. */
  readonly pending: Map<string, string>;
}

export interface Stream {
  entries: Entry[];
  lastId: string;
  readonly groups: Map<string, Group>;
}

export function createStream(): Stream {
  return { entries: [], lastId: "0-0", groups: new Map() };
}

/** Orders ids (`ms-seq`; a missing seq is 0). */
export function compareEntryIds(a: string, b: string): number {
  const [aMs = "0", aSeq = "0"] = a.split("-");
  const [bMs = "0", bSeq = "0"] = b.split("-");
  return Number(aMs) - Number(bMs) || Number(aSeq) - Number(bSeq);
}

/** Appends with an id of the server's clock; ids grow even where the clock does not. */
export function appendEntry(stream: Stream, fields: readonly string[], nowMs: number): string {
  const [lastMs = "0", lastSeq = "0"] = stream.lastId.split("-");
  const ms = Math.max(Math.floor(nowMs), Number(lastMs));
  const id = `${ms}-${ms === Number(lastMs) ? Number(lastSeq) + 1 : 0}`;
  stream.entries.push({ id, fields });
  stream.lastId = id;
  return id;
}

/** Entries from one id to another, both included; `-` and `+` are the ends, `(` leaves one out. */
export function entriesBetween(stream: Stream, from: string, to: string): Entry[] {
  return stream.entries.filter(({ id }) => isAfter(id, from) && isBefore(id, to));
}

function isAfter(id: string, from: string): boolean {
  if (from === "-") return true;
  if (from.startsWith("(")) return compareEntryIds(id, from.slice(1)) > 0;
  return compareEntryIds(id, from) >= 0;
}

function isBefore(id: string, to: string): boolean {
  if (to === "+") return true;
  if (to.startsWith("(")) return compareEntryIds(id, to.slice(1)) < 0;
  return compareEntryIds(id, to) <= 0;
}

/** Hands out new entries; they are pending from now on. */
export function deliverNew(
  stream: Stream,
  group: Group,
  consumer: string,
  count: number,
): Entry[] {
  const fresh = stream.entries
    .filter(({ id }) => compareEntryIds(id, group.lastDeliveredId) > 0).slice(0, count);
  for (const { id } of fresh) group.pending.set(id, consumer);
  group.lastDeliveredId = fresh.at(-1)?.id ?? group.lastDeliveredId;
  return fresh;
}

/** A consumer's own pending entries after an id; null fields where the entry was trimmed. */
export function pendingAfter(
  stream: Stream,
  group: Group,
  consumer: string,
  { after, count }: { after: string; count: number },
): [string, readonly string[] | null][] {
  const byId = new Map(stream.entries.map((entry) => [entry.id, entry.fields]));
  return [...group.pending]
    .filter(([id, owner]) => owner === consumer && compareEntryIds(id, after) > 0)
    .map(([id]) => id).sort(compareEntryIds).slice(0, count)
    .map((id) => [id, byId.get(id) ?? null]);
}

export function lowestPending(group: Group): string | undefined {
  return [...group.pending.keys()].sort(compareEntryIds)[0];
}
