/** Rule I5: what every watcher saw, frame by frame, and against what truly happened. */
import type { Sql } from "shared/sql/connect.ts";
import type { Frame } from "../harness/track_viewer.ts";
import type { Evidence, TrackRecord, Violation } from "./evidence.ts";
import type { Connection } from "./watcher.ts";

interface Truth {
  readonly orderId: string;
  readonly status: string;
  readonly states: readonly string[];
  /** `version:status` of every change. */
  readonly changes: readonly string[];
}

/** Checks all tracks. */
export async function checkTracks({ sql, tracks }: Evidence): Promise<Violation[]> {
  const truths = new Map((await readTruths(sql)).map((truth) => [truth.orderId, truth]));
  return tracks.flatMap((track) => {
    const truth = truths.get(track.orderId);
    const details = [
      ...track.connections.flatMap((connection) => connectionErrors(connection)),
      ...truth === undefined ? ["the order does not exist"] : storyErrors(track, truth),
    ];
    return details.map((detail) => ({
      rule: "I5" as const,
      detail: `track of ${track.orderId}: ${detail}`,
    }));
  });
}

async function readTruths(sql: Sql): Promise<Truth[]> {
  return [
    ...await sql<Truth[]>`
      select o.id as order_id, o.status,
        (select jsonb_agg(state) from jsonb_object_keys(o.state_times) state) as states,
        coalesce((select jsonb_agg(e.aggregate_version || ':' || (e.data ->> 'to') order by e.id)
          from outbox_events e where e.key = o.id and e.type = 'order.status_changed'), '[]')
          as changes
      from orders o`,
  ];
}

/** Numbers grow by one; only a snapshot or a reset may begin anew. */
export function connectionErrors({ since, frames }: Connection): string[] {
  const errors: string[] = [];
  const [first] = frames;
  if (first !== undefined && !isStart(first, since)) {
    errors.push(`begins with ${first.type} after since=${since ?? "nothing"}`);
  }
  let at = first;
  let version = -Infinity;
  for (const frame of frames.slice(1)) {
    if (frame.type === "snapshot" || frame.type === "reset" || frame.type === "resumed") {
      errors.push(`${frame.type} in the middle of a connection`);
    } else if (frame.epoch !== at?.epoch || frame.seq !== (at?.seq ?? 0) + 1) {
      errors.push(`${nameOf(at)} is followed by ${nameOf(frame)}`);
    }
    if (frame.type === "status") {
      const next = Number(frame["version"]);
      if (next <= version) errors.push(`status version ${next} comes after ${version}`);
      version = next;
    }
    at = frame;
  }
  return errors;
}

function isStart(first: Frame, since: string | undefined): boolean {
  if (since === undefined) return first.type === "snapshot";
  if (first.type === "resumed") return `${first.epoch}:${first.seq}` === since;
  return first.type === "reset";
}

function nameOf(frame: Frame | undefined): string {
  return `${frame?.type} ${frame?.epoch?.slice(0, 8)}:${frame?.seq}`;
}

/** Snapshots and frames together tell every state the order was in, no other, and its end. */
function storyErrors(track: TrackRecord, truth: Truth): string[] {
  const errors: string[] = [];
  const seen = new Set<string>();
  for (const frame of track.connections.flatMap(({ frames }) => frames)) {
    const order = frame["order"] as { stateTimes?: Record<string, string> } | undefined;
    for (const state of Object.keys(order?.stateTimes ?? {})) seen.add(state);
    if (frame.type !== "status") continue;
    seen.add(String(frame["status"]));
    const change = `${frame["version"]}:${frame["status"]}`;
    if (!truth.changes.includes(change)) errors.push(`tells ${change}, which never happened`);
  }
  if (track.ended !== truth.status) {
    errors.push(`the order is ${truth.status}, its watcher was told ${track.ended ?? "no end"}`);
  }
  const missing = truth.states.filter((state) => !seen.has(state));
  if (missing.length > 0) errors.push(`never told ${missing.join(", ")}`);
  const invented = [...seen].filter((state) => !truth.states.includes(state));
  if (invented.length > 0) errors.push(`told ${invented.join(", ")}, which never was`);
  return errors;
}
