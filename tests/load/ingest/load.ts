/**
 * Phones: posts single fixes or batches. First each phone once (so that sessions and statuses are
 * known), then what is measured: as fast as the answers come, or at a fixed rate (open loop: the
 * time of a request counts from when it was due, not from when it was sent).
 */
import { readSettings, stopped, tell, told } from "../harness/child.ts";
import { HttpConnection } from "../harness/http_connection.ts";
import { type LoadFigures, type LoadSettings, MIDDLE, type Sender } from "./settings.ts";

const settings = readSettings<LoadSettings>();
const { port, path, points, ratePerS } = settings;
const senders = JSON.parse(await Deno.readTextFile(settings.sendersFile)) as Sender[];
const connections = await Promise.all(
  Array.from({ length: settings.connections }, () => HttpConnection.open(port)),
);
const headers = senders.map(({ token }) => `authorization: Bearer ${token}\r\n`);
/** Batches bring what was recorded before the run, so that none is from the future. */
const BEFORE_MS = 600_000;
/** Points of one phone are this far apart. */
const STEP_MS = 1_000;

/** A point of a ride: a metre on for each second of it. */
function fixOf(sender: number, atMs: number): string {
  const lat = MIDDLE.lat - 0.1 + (sender % 1_000) * 2e-4 + (atMs % 1e6) * 1e-8;
  const lon = MIDDLE.lon + Math.floor(sender / 1_000) * 2e-3;
  return `{${prefixOf(sender)}"lat":${lat.toFixed(6)},"lon":${lon.toFixed(6)},"accuracyM":6.5,` +
    `"headingDeg":12.5,"speedMps":8.25,"recordedAt":"${new Date(atMs).toISOString()}"}`;
}

/** The yardstick knows no sessions: who sends stands in the body. */
function prefixOf(sender: number): string {
  return settings.tellsDriver ? `"driverId":"${senders[sender]?.id}",` : "";
}

/** When each phone's next point was recorded: its batches follow on one another. */
const nextMs = senders.map(() => Date.now() - BEFORE_MS);

function bodyOf(sender: number, count: number): string {
  if (points === 1) return fixOf(sender, Date.now());
  const firstMs = nextMs[sender] ?? 0;
  nextMs[sender] = firstMs + count * STEP_MS;
  const fixes = Array.from({ length: count }, (_, at) => fixOf(sender, firstMs + at * STEP_MS));
  return `{"positions":[${fixes.join()}]}`;
}

let accepted = 0;
let refused = 0;
const latenciesMs: number[] = [];

function count(status: number, body: string): void {
  if (status !== 200) {
    if (refused++ === 0) console.log(`${status} ${body.slice(0, 300)}`);
    return;
  }
  const told = /"accepted":(\w+)/.exec(body)?.[1];
  accepted += told === "true" || told === undefined ? 1 : Number(told) || 0;
}

/** Sends the requests with these numbers, by all connections. */
async function sendAll(first: number, total: number, sizeOf: (request: number) => number) {
  let next = first;
  const startMs = performance.now();
  await Promise.all(connections.map(async (connection) => {
    while (next < first + total) {
      const request = next++;
      const dueMs = ratePerS === 0
        ? performance.now()
        : startMs + (request - first) / ratePerS * 1_000;
      const waitMs = dueMs - performance.now();
      if (waitMs > 1) await new Promise((resolve) => setTimeout(resolve, waitMs));
      const sender = request % senders.length;
      const body = bodyOf(sender, sizeOf(request));
      const answer = await connection.post(path, headers[sender] ?? "", body);
      latenciesMs.push(performance.now() - dueMs);
      count(answer.status, answer.body);
    }
  }));
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

await sendAll(0, senders.length, () => 1);
tell("ready");
await told();
accepted = 0;
refused = 0;
latenciesMs.length = 0;
tell("started");
await sendAll(senders.length, settings.requests, () => points);
latenciesMs.sort((a, b) => a - b);
const figures: LoadFigures = {
  refused,
  p50Ms: quantile(latenciesMs, 0.5),
  p99Ms: quantile(latenciesMs, 0.99),
  maxMs: latenciesMs.at(-1) ?? NaN,
};
tell("done", accepted, figures);
// Its CPU time is read while it lives.
await stopped();
for (const connection of connections) connection.close();
