/**
 * The limit of single fixes: what this runtime and Redis take at least. A server that reads a body
 * and answers after Redis has its fix, with those of the same moment in one pipeline: a GEOADD of
 * all, an HSET of four fields for each courier, an XADD. No session, no limit, no check, one
 * object for each request; nobody would run it.
 */
import { Redis } from "ioredis";
import { readSettings, stopped } from "../harness/child.ts";
import { FLUSH_FIXES, type ServerSettings } from "../ingest/settings.ts";

const { redisUrl, prefix, port } = readSettings<ServerSettings>();
/** As ingest has it. */
const COMMIT_INTERVAL_MS = 2;
const ACCEPTED = { headers: { "content-type": "application/json" } };

/** As the load sends it; `driverId` says who. */
interface PostedFix {
  readonly driverId: string;
  readonly lat: number;
  readonly lon: number;
  readonly accuracyM: number;
  readonly headingDeg: number;
  readonly speedMps: number;
  readonly recordedAt: string;
}

const redis = new Redis(redisUrl);
let waiting: { readonly fix: PostedFix; resolve(response: Response): void }[] = [];
let isDue = false;

async function commit(): Promise<void> {
  isDue = false;
  const batch = waiting;
  waiting = [];
  for (let start = 0; start < batch.length; start += FLUSH_FIXES) {
    const some = batch.slice(start, start + FLUSH_FIXES);
    const pipeline = redis.pipeline();
    const places: (string | number)[] = [];
    let streamed = "";
    for (const { fix } of some) {
      const { driverId, lat, lon, accuracyM, headingDeg, speedMps, recordedAt } = fix;
      const atMs = Date.parse(recordedAt);
      places.push(lon, lat, driverId);
      streamed += `["${driverId}",${atMs},${lat},${lon},${accuracyM},${headingDeg},${speedMps}]`;
      const key = `${prefix}courier:${driverId}`;
      pipeline.hset(key, "lat", lat, "lon", lon, "at", atMs, "acc", accuracyM);
    }
    pipeline.geoadd(`${prefix}geo`, ...places);
    pipeline.xadd(`${prefix}positions`, "*", "fixes", streamed);
    await pipeline.exec();
    for (const { resolve } of some) resolve(new Response('{"accepted":true}', ACCEPTED));
  }
}

const server = Deno.serve({ hostname: "127.0.0.1", port, onListen: () => {} }, (request) => {
  if (request.method === "GET") return new Response("ready");
  return request.json().then((fix: PostedFix) =>
    new Promise<Response>((resolve) => {
      waiting.push({ fix, resolve });
      if (isDue) return;
      isDue = true;
      setTimeout(commit, COMMIT_INTERVAL_MS);
    })
  );
});
await stopped();
await server.shutdown();
redis.disconnect();
