/**
 * Trims a stream below what every group has finished. Redis's own MAXLEN looks at no group: it
 * would remove entries that nobody has read, without a word.
 */
import type { Redis } from "shared/redis/connect.ts";

export interface TrimRule {
  readonly stream: string;
  /** Groups that must have finished. While one of them does not exist yet, nothing is trimmed. */
  readonly groups: readonly string[];
  /** Entries younger than this stay, whoever has read them. */
  readonly keepMs: number;
  /** Entries up to this much older than what the slowest group has finished stay too. */
  readonly keepBehindMs?: number;
}

/** Removes finished entries; returns how many. */
export async function trimStream(redis: Redis, rule: TrimRule, nowMs: number): Promise<number> {
  const finished = await finishedBefore(redis, rule);
  if (finished === undefined) return 0;
  const youngest = `${Math.max(0, nowMs - rule.keepMs)}-0`;
  const { keepBehindMs = 0 } = rule;
  const kept = keepBehindMs === 0
    ? finished
    : `${Math.max(0, Number.parseInt(finished) - keepBehindMs)}-0`;
  const bound = compareIds(kept, youngest) < 0 ? kept : youngest;
  return await redis.xtrim(rule.stream, "MINID", bound);
}

/** The oldest id that some group has not finished (or the last id all have read). */
async function finishedBefore(redis: Redis, rule: TrimRule): Promise<string | undefined> {
  if (await redis.exists(rule.stream) === 0) return undefined;
  const groups = (await redis.xinfo("GROUPS", rule.stream) as unknown[][]).map(readGroup);
  const byName = new Map(groups.map((group) => [group.name, group]));
  let oldest: string | undefined;
  for (const name of rule.groups) {
    const group = byName.get(name);
    if (group === undefined) return undefined;
    const own = group.pending === 0
      ? group.lastDeliveredId
      : await oldestPending(redis, rule.stream, name) ?? group.lastDeliveredId;
    if (oldest === undefined || compareIds(own, oldest) < 0) oldest = own;
  }
  return oldest;
}

async function oldestPending(redis: Redis, stream: string, group: string) {
  const [, lowest] = await redis.xpending(stream, group) as [number, string | null];
  return lowest;
}

function readGroup(flat: readonly unknown[]) {
  const field = (name: string) => flat[flat.indexOf(name) + 1];
  return {
    name: String(field("name")),
    pending: Number(field("pending")),
    lastDeliveredId: String(field("last-delivered-id")),
  };
}

/** Orders stream ids (`ms-seq`) as Redis does. */
export function compareIds(a: string, b: string): number {
  const [aMs = "0", aSeq = "0"] = a.split("-");
  const [bMs = "0", bSeq = "0"] = b.split("-");
  return Number(aMs) - Number(bMs) || Number(aSeq) - Number(bSeq);
}
