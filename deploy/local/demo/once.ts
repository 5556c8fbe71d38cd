/**
 * The smoke test of the whole loop: one order from the HTTP request to the door, with checks that
 * a fake would fail.
 */
import { Redis } from "ioredis";
import type { City } from "shared/city/city.ts";
import { pause, withTimeout } from "shared/clock/timeout.ts";
import { distanceM } from "shared/geo/distance.ts";
import { partitionOf, redisKeys } from "shared/redis/keys.ts";
import type { Sql } from "shared/sql/connect.ts";
import { distanceToStreetM } from "shared/streets/nearest_street.ts";
import type { Supervisor } from "../supervisor.ts";
import { compareHistory } from "./check_history.ts";
import { CourierEars } from "./courier_ears.ts";
import type { Servers } from "../servers.ts";
import { type DemoOptions, KILL_TARGETS } from "./options.ts";
import { followOrder, type PlacedOrder, type TrackFrame } from "./order_follower.ts";
import { homeAt } from "./homes.ts";
import { demoEmail } from "./seed.ts";
import { type DemoStores, urlOf } from "./services.ts";

/** An order that has not ended by now is lost: offers lapse, couriers decline, services are killed. */
const DEADLINE_MS = 8 * 60_000;
const OFFER_DEADLINE_MS = 2 * 60_000;
const MIN_DISTINCT_FIXES = 20;
const MAX_STREET_DISTANCE_M = 15;
/** How far the order should have to go, so that there are enough fixes to judge. */
const WANTED_DISTANCE_M = 2_500;
const STREAM_PAGE = 10_000;
const LOOK_MS = 50;
/** A courier stands at both ends for a while, on the street outside. */
const MAX_STOP_DISTANCE_M = 100;

export interface OnceDeps {
  readonly options: DemoOptions;
  readonly stores: DemoStores;
  readonly city: City;
  readonly sql: Sql;
  readonly supervisor: Supervisor;
  readonly servers: Servers;
  readonly say: (line: string) => void;
  readonly stop: AbortSignal;
}

/** Runs the order; true when it was delivered and every check holds. */
export async function runOnce(deps: OnceDeps): Promise<boolean> {
  const { options, sql, say } = deps;
  const apiUrl = urlOf(options, "gateway");
  const ears = new CourierEars(apiUrl);
  try {
    await ears.open(sql);
    const order = await placeOrder(deps, apiUrl);
    say(`order ${order.id} placed, ${order.distanceM} m to go`);
    const deadline = AbortSignal.any([deps.stop, AbortSignal.timeout(DEADLINE_MS)]);
    const frames: TrackFrame[] = [];
    const following = followOrder(apiUrl, order, (frame) => {
      frames.push(frame);
      tell(frame, say);
    }, deadline);
    const offer = await withTimeout("the offer", OFFER_DEADLINE_MS, ears.offerOf(order.id));
    say(`offer ${offer.offerId} heard on the channel of courier ${offer.courierId}`);
    // Awaited together: a fault that cannot be made fails the run instead of weakening it.
    const [ended] = await Promise.all([following, kill(deps, deadline)]);
    printTimeline(frames, order, say);
    const checks = [
      check("the order was delivered", ended === "delivered", `it ended ${ended}`),
      await checkOffer(sql, order, ears.heard),
      checkNoGap(frames),
      checkFixes(deps.city, frames),
      checkWay(frames, order),
      await checkEvents(deps, order),
      await checkHistory(deps, order, frames),
    ];
    for (const { name, ok, detail } of checks) say(`${ok ? "ok  " : "FAIL"} ${name}: ${detail}`);
    return checks.every(({ ok }) => ok);
  } finally {
    ears.close();
  }
}

/** Kills what was asked for; with `each`, the next one when the last is back. */
async function kill(deps: OnceDeps, signal: AbortSignal): Promise<void> {
  const { options, supervisor, servers, say } = deps;
  if (options.kill === undefined) return;
  const names = options.kill === "each"
    ? KILL_TARGETS.filter((name) => name !== "each")
    : [options.kill];
  for (const name of names) {
    if (name === "wipe") {
      await wipeRedis(deps, signal);
      continue;
    }
    say(`killing ${name} (SIGKILL)`);
    const server = name === "redis" || name === "postgres" ? servers[name] : undefined;
    const isKilled = server?.kill("SIGKILL") ?? supervisor.kill(name, "SIGKILL");
    if (!isKilled) throw new Error(`${name} does not run`);
    const isBack = () => server?.isReady ?? supervisor.isReady(name);
    while (isBack() && !signal.aborted) await pause(LOOK_MS, signal);
    while (!isBack() && !signal.aborted) await pause(LOOK_MS, signal);
  }
}

/** Empties Redis and waits until keeper has rebuilt it. */
async function wipeRedis({ stores, say }: OnceDeps, signal: AbortSignal): Promise<void> {
  say("wiping Redis (FLUSHALL)");
  const startedAtMs = performance.now();
  await withRedis(stores.redisUrl, async (redis) => {
    await redis.flushall();
    const generation = redisKeys("").generation();
    while (await redis.exists(generation) === 0 && !signal.aborted) await pause(LOOK_MS, signal);
  });
  say(`Redis is rebuilt after ${((performance.now() - startedAtMs) / 1000).toFixed(1)} s`);
}

async function withRedis<T>(url: string, use: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url, { lazyConnect: true });
  redis.on("error", () => {}); // A failed command rejects with the reason.
  try {
    await redis.connect();
    return await use(redis);
  } finally {
    redis.disconnect();
  }
}

function tell(frame: TrackFrame, say: (line: string) => void): void {
  if (frame.type === "status") say(`status ${frame.status}`);
  if (frame.type === "courier") {
    say(frame.courier ? `courier ${frame.courier.name}, ${frame.courier.vehicle}` : "courier left");
  }
  if (frame.type === "resumed") say(`track resumed after frame ${frame.seq}`);
  if (frame.type === "reset") say("track began anew with a snapshot");
}

async function placeOrder(deps: OnceDeps, apiUrl: string): Promise<PlacedOrder> {
  const regionId = deps.city.region.id;
  const email = demoEmail("customer", 1, regionId);
  const { token } = await post<{ token: string }>(`${apiUrl}/api/v1/auth/login`, {
    email,
    password: deps.stores.password,
  });
  const { items: merchants } = await get<{ items: MerchantView[] }>(`${apiUrl}/api/v1/merchants`);
  const [merchant] = merchants;
  if (merchant === undefined) throw new Error("the city has no merchant");
  const menu = await get<{ items: { id: string }[] }>(
    `${apiUrl}/api/v1/merchants/${merchant.id}/menu`,
  );
  const menuItemId = menu.items[0]?.id;
  return await post<PlacedOrder>(`${apiUrl}/api/v1/orders`, {
    kind: "marketplace",
    merchantId: merchant.id,
    items: [{ menuItemId, quantity: 2 }],
    dropoff: homeAt(deps.city, merchant.location, WANTED_DISTANCE_M),
  }, { authorization: `Bearer ${token}`, "idempotency-key": crypto.randomUUID() });
}

interface MerchantView {
  readonly id: string;
  readonly location: { readonly lat: number; readonly lon: number };
}

async function get<T>(url: string): Promise<T> {
  return await read<T>(await fetch(url));
}

async function post<T>(url: string, body: unknown, headers: Record<string, string> = {}) {
  return await read<T>(
    await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    }),
  );
}

async function read<T>(response: Response): Promise<T> {
  if (!response.ok) {
    throw new Error(
      `${response.status} of ${new URL(response.url).pathname}: ${await response.text()}`,
    );
  }
  return await response.json() as T;
}

function printTimeline(
  frames: readonly TrackFrame[],
  order: PlacedOrder,
  say: (line: string) => void,
) {
  say("");
  say("timeline");
  let previousMs = Date.parse(order.placedAt);
  const startMs = previousMs;
  const line = (what: string, at: string) => {
    const atMs = Date.parse(at);
    const total = ((atMs - startMs) / 1000).toFixed(1).padStart(7);
    const step = ((atMs - previousMs) / 1000).toFixed(1).padStart(7);
    say(`  ${at.slice(11, 23)} ${total} s  +${step} s  ${what}`);
    previousMs = atMs;
  };
  line("placed", order.placedAt);
  for (const frame of frames) {
    if (frame.at === undefined) continue;
    if (frame.type === "status" && frame.status !== undefined) line(frame.status, frame.at);
    if (frame.type === "courier") {
      line(frame.courier ? "courier assigned" : "courier left", frame.at);
    }
  }
  say("");
}

interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

function check(name: string, ok: boolean, detail: string): Check {
  return { name, ok, detail };
}

/** The courier who delivered heard the offer on its own channel, and nobody else heard it. */
async function checkOffer(
  sql: Sql,
  order: PlacedOrder,
  heard: readonly { courierId: string; orderId: string; offerId: string }[],
): Promise<Check> {
  const offers = await sql<{ id: string; courierId: string; status: string }[]>`
    select id, courier_id, status from offers where order_id = ${order.id}`;
  const mine = heard.filter((offer) => offer.orderId === order.id);
  const isOwn = (id: string, courierId: string) =>
    mine.some((offer) => offer.offerId === id && offer.courierId === courierId) &&
    !mine.some((offer) => offer.offerId === id && offer.courierId !== courierId);
  const accepted = offers.find((offer) => offer.status === "accepted");
  const ok = accepted !== undefined && isOwn(accepted.id, accepted.courierId);
  return check(
    "the accepted offer arrived on its courier's own channel, and on no other",
    ok,
    `${offers.length} offers made, ${mine.length} heard`,
  );
}

/** Numbers of one epoch grow by one; snapshots and resets say where they begin. */
function checkNoGap(frames: readonly TrackFrame[]): Check {
  let at: { epoch: string; seq: number } | undefined;
  let problems = 0;
  for (const { type, epoch, seq } of frames) {
    const isStart = type === "snapshot" || type === "reset";
    const isNext = at !== undefined && epoch === at.epoch &&
      (type === "resumed" ? seq === at.seq : seq === at.seq + 1);
    if (!isStart && !isNext) problems++;
    at = { epoch, seq };
  }
  return check(
    "the track had no gap, repeat or disorder",
    problems === 0,
    `${frames.length} frames`,
  );
}

function checkFixes(city: City, frames: readonly TrackFrame[]): Check {
  const distinct = new Map<string, number>();
  for (const { type, position } of frames) {
    if (type !== "position" || !position) continue;
    const key = `${position.lat},${position.lon}`;
    distinct.set(key, distanceToStreetM(city.network, position));
  }
  const near = [...distinct.values()].filter((offM) => offM <= MAX_STREET_DISTANCE_M).length;
  return check(
    `at least ${MIN_DISTINCT_FIXES} distinct fixes within ${MAX_STREET_DISTANCE_M} m of a street`,
    near >= MIN_DISTINCT_FIXES,
    `${near} of ${distinct.size} distinct fixes, the farthest ${
      Math.max(0, ...distinct.values()).toFixed(1)
    } m off`,
  );
}

/** The courier was seen at the pickup and at the door. */
function checkWay(frames: readonly TrackFrame[], order: PlacedOrder): Check {
  const nearestM = (stop: PlacedOrder["pickup"]) =>
    Math.min(...frames.map(({ position }) => position ? distanceM(position, stop) : Infinity));
  const pickupM = nearestM(order.pickup);
  const dropoffM = nearestM(order.dropoff);
  return check(
    `the courier was seen within ${MAX_STOP_DISTANCE_M} m of pickup and door`,
    pickupM <= MAX_STOP_DISTANCE_M && dropoffM <= MAX_STOP_DISTANCE_M,
    `${pickupM.toFixed(0)} m and ${dropoffM.toFixed(0)} m`,
  );
}

/** Every event of the order is in the outbox and, with the same id, in the stream. */
async function checkEvents({ sql, stores }: OnceDeps, order: PlacedOrder): Promise<Check> {
  const rows = await sql<{ eventId: string; region: string; shard: number }[]>`
    select event_id, region, shard from outbox_events where key = ${order.id}`;
  const inOutbox = new Set(rows.map((row) => row.eventId));
  const [first] = rows;
  if (first === undefined) return check("every event is in outbox and stream", false, "no events");
  const stream = redisKeys("").events(partitionOf(first.region, first.shard));
  const inStream = await withRedis(
    stores.redisUrl,
    (redis) => streamedEventIds(redis, stream, order.id),
  );
  const missing = [...inOutbox].filter((id) => !inStream.has(id));
  const extra = [...inStream].filter((id) => !inOutbox.has(id));
  return check(
    "every event id is in outbox and stream",
    missing.length === 0 && extra.length === 0,
    `${inOutbox.size} in the outbox, ${inStream.size} in the stream`,
  );
}

/** What the history keeps draws what was seen live. A kill may take fixes that nobody else has. */
async function checkHistory(
  { sql, options }: OnceDeps,
  order: PlacedOrder,
  frames: readonly TrackFrame[],
): Promise<Check> {
  const { rows, fixes, worstM, isComplete } = await compareHistory(sql, order.id, frames);
  return check(
    "the history draws every fix to within 10 m",
    options.kill === undefined ? isComplete : rows > 0,
    `${rows} rows for ${fixes} fixes, the farthest ${worstM.toFixed(1)} m off`,
  );
}

async function streamedEventIds(redis: Redis, stream: string, key: string): Promise<Set<string>> {
  const ids = new Set<string>();
  let from = "-";
  while (true) {
    const entries = await redis.xrange(stream, from, "+", "COUNT", STREAM_PAGE);
    for (const [, fields] of entries) {
      const event = JSON.parse(fields[fields.indexOf("event") + 1] ?? "{}") as {
        id: string;
        key: string;
      };
      if (event.key === key) ids.add(event.id);
    }
    const last = entries.at(-1)?.[0];
    if (last === undefined || entries.length < STREAM_PAGE) return ids;
    from = `(${last}`;
  }
}
