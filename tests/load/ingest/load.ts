/**
 * Phones: posts single fixes or batches. First each phone once (so that sessions and statuses are
 * known), then what is measured: as fast as the answers come, or at a fixed rate (open loop: the
 * time of a request counts from when it was due, not from when it was sent).
 */
import { readSettings, stopped, tell, told } from "../harness/child.ts";
import { HttpConnection } from "../harness/http_connection.ts";
import { Requests } from "./requests.ts";
import type { LoadFigures, LoadSettings, Sender } from "./settings.ts";

const settings = readSettings<LoadSettings>();
const { port, points, ratePerS } = settings;
const senders = JSON.parse(await Deno.readTextFile(settings.sendersFile)) as Sender[];
const connections = await Promise.all(
  Array.from({ length: settings.connections }, () => HttpConnection.open(port)),
);
const requests = new Requests(settings, senders);

let accepted = 0;
let refused = 0;
const latenciesMs: number[] = [];

function count(status: number, connection: HttpConnection): void {
  if (status !== 200) {
    if (refused++ === 0) console.log(`${status} ${connection.body.slice(0, 300)}`);
    return;
  }
  // A batch says how many of its points were.
  accepted += points === 1 ? 1 : Number(/"accepted":(\d+)/.exec(connection.body)?.[1] ?? 0);
}

/** Sends so many requests by all connections; the phones take turns. */
async function sendAll(total: number, requestOf: (request: number, sender: number) => Uint8Array) {
  let next = 0;
  const startMs = performance.now();
  await Promise.all(connections.map(async (connection) => {
    while (next < total) {
      const request = next++;
      const dueMs = ratePerS === 0 ? performance.now() : startMs + request / ratePerS * 1_000;
      const waitMs = dueMs - performance.now();
      if (waitMs > 1) await new Promise((resolve) => setTimeout(resolve, waitMs));
      const status = await connection.status(requestOf(request, request % senders.length));
      latenciesMs.push(performance.now() - dueMs);
      count(status, connection);
    }
  }));
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

const single = (_: number, sender: number) => requests.single(sender);
await sendAll(
  senders.length,
  points === 1 ? single : (_, sender) => requests.batch(sender, 1),
);
// All of them before the run: they are 140 bytes for each fix.
const batches = points === 1 ? [] : Array.from(
  { length: settings.requests },
  (_, request) => requests.batch(request % senders.length, points),
);
tell("ready");
await told();
accepted = 0;
refused = 0;
latenciesMs.length = 0;
tell("started");
await sendAll(
  settings.requests,
  points === 1 ? single : (request) => batches[request] ?? new Uint8Array(),
);
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
