/** What a sender is told when there is too much of it, or of all: on every way in, with when to come again. */
import assert from "node:assert/strict";
import { insertApiKey } from "shared/auth/api_keys.ts";
import { createTicket } from "shared/auth/tickets.ts";
import { FIX_BURST } from "shared/availability/cleaning.ts";
import { withTimeout } from "shared/clock/timeout.ts";
import { OSMAND_PATH, OWNTRACKS_PATH, POSITIONS_PATH } from "shared/live_api/ingest_routes.ts";
import { fixAt, northOfPickup, PICKUP } from "../harness/couriers.ts";
import { insertCourier, insertRegion } from "../harness/fixtures.ts";
import { Gate } from "../harness/gate.ts";
import { Ingest } from "../harness/ingest_world.ts";
import { redisAt, scriptsWith } from "../harness/stand_ins.ts";
import type { TestStores } from "../harness/stores.ts";
import { withStores } from "../harness/with_stores.ts";

const ORIGIN = "http://ingest.test";
const BOUND_MS = 10_000;

interface Sending {
  readonly token: string;
  readonly key: string;
}

async function sendingOf({ sql }: TestStores, ingest: Ingest, accountId: string): Promise<Sending> {
  const scopes = ["positions:write"] as const;
  const phone = { accountId, name: "phone", mode: "live", scopes } as const;
  return { token: await ingest.token(accountId), key: (await insertApiKey(sql, phone)).text };
}

interface Told {
  readonly status: number;
  readonly code: unknown;
  readonly retryAfter: string | null;
}

async function toldBy(response: Response): Promise<Told> {
  const text = await response.text();
  const isJson = /json/.test(response.headers.get("content-type") ?? "");
  const json: unknown = isJson ? JSON.parse(text) : {};
  const code = typeof json === "object" && json !== null && "code" in json ? json.code : undefined;
  return { status: response.status, code, retryAfter: response.headers.get("retry-after") };
}

/** One fix of the courier on each way over HTTP. */
async function onEachWay(ingest: Ingest, { token, key }: Sending): Promise<Told[]> {
  const one = await ingest.post(token, fixAt(PICKUP));
  const many = await ingest.postMany(token, [fixAt(PICKUP)]);
  const { lat, lon } = PICKUP;
  const message = { _type: "location", lat, lon, tst: Math.floor(Date.now() / 1000) };
  const authorization = `Basic ${btoa(`bo:${key}`)}`;
  const ownTracks = await ingest.respond(
    new Request(`${ORIGIN}${OWNTRACKS_PATH}`, {
      method: "POST",
      headers: { authorization },
      body: JSON.stringify(message),
    }),
  );
  const query = new URLSearchParams({ id: key, lat: `${lat}`, lon: `${lon}` });
  const osmAnd = await ingest.respond(new Request(`${ORIGIN}${OSMAND_PATH}?${query}`));
  return [
    ...[one, many].map(({ status, body, headers }) => ({
      status,
      code: body["code"],
      retryAfter: headers.get("retry-after"),
    })),
    await toldBy(ownTracks),
    await toldBy(osmAnd),
  ];
}

/** Sends one frame on a new socket of the courier, and returns the answer to it. */
async function onSocket(
  { ingest, stores: { redis, keys } }: { ingest: Ingest; stores: TestStores },
  courierId: string,
  frame: unknown,
): Promise<unknown> {
  await using server = ingest.listen();
  const grant = { kind: "courier_positions", courierId, credentialId: courierId } as const;
  const ticket = await createTicket(redis, keys, grant);
  const url = `${server.url.replace("http", "ws")}${POSITIONS_PATH}?ticket=${ticket}`;
  const socket = new WebSocket(url);
  const answer = Promise.withResolvers<unknown>();
  const closed = Promise.withResolvers<void>();
  socket.onopen = () => socket.send(JSON.stringify(frame));
  socket.onmessage = ({ data }) => answer.resolve(JSON.parse(data));
  socket.onclose = () => closed.resolve();
  try {
    return await withTimeout("an answer", BOUND_MS, answer.promise);
  } finally {
    socket.close();
    await closed.promise;
  }
}

Deno.test("who is over the limit is told 429 and when to come again, on every way in", async () => {
  await withStores(async (stores) => {
    await insertRegion(stores.sql);
    // Nothing comes free while the test runs.
    const startedAtMs = Date.now();
    const ingest = new Ingest(stores, redisAt(stores.redis, () => startedAtMs));
    const flood = await insertCourier(stores.sql);
    const sending = await sendingOf(stores, ingest, flood);
    const points = Array.from({ length: FIX_BURST }, (_, at) => fixAt(PICKUP, 20_000 - at));
    await ingest.postMany(sending.token, points.slice(0, 100));
    await ingest.postMany(sending.token, points.slice(100));
    for (const told of await onEachWay(ingest, sending)) {
      assert.deepEqual(told, { status: 429, code: "limit.exceeded", retryAfter: "1" });
    }
    const [kind, seq, codes, more] = await onSocket({ ingest, stores }, flood, [
      "f",
      7,
      [Date.now(), PICKUP.lat, PICKUP.lon],
    ]) as [string, number, string[], { retryAfterMs: number }];
    assert.deepEqual([kind, seq, codes], ["a", 7, ["limited"]]);
    assert.ok(more.retryAfterMs > 0 && more.retryAfterMs <= 1_000, `${more.retryAfterMs}`);
    // Nobody else is concerned.
    const other = await sendingOf(stores, ingest, await insertCourier(stores.sql));
    assert.deepEqual(
      (await onEachWay(ingest, other)).map(({ status }) => status),
      [200, 200, 200, 200],
    );
  });
});

Deno.test("who has too much waiting is told 503 and when to come again, on every way in, and others wait", async () => {
  await withStores(async (stores) => {
    await insertRegion(stores.sql);
    const gate = new Gate();
    let isHeld = false;
    const redis = scriptsWith(stores.redis, async (args, real) => {
      if (isHeld) await gate.passed();
      return await real(...args);
    });
    const ingest = new Ingest(stores, redis);
    const flood = await insertCourier(stores.sql);
    const quiet = await insertCourier(stores.sql);
    const sending = await sendingOf(stores, ingest, flood);
    const other = await sendingOf(stores, ingest, quiet);
    // Both are known, and so are their keys.
    for (const one of [sending, other]) await onEachWay(ingest, one);
    isHeld = true;
    const batch = () =>
      ingest.postMany(
        sending.token,
        Array.from({ length: 100 }, (_, at) => fixAt(northOfPickup(at), 15_000 - at * 100)),
      );
    // Two calls of two hundred fixes are under way, and as much waits as one courier may have.
    const waiting = Array.from({ length: 8 }, batch);
    const refused = await withTimeout("the first refusal", BOUND_MS, Promise.race(waiting));
    assert.deepEqual([refused.status, refused.body["code"]], [503, "ingest.overloaded"]);
    assert.equal(refused.headers.get("retry-after"), "1");
    // What still fits is used up one by one.
    const singles: Promise<unknown>[] = [];
    for (let at = 0; at < 60; at++) singles.push(ingest.recorder.record(flood, [fixAt(PICKUP)]));
    const settled = Promise.allSettled(singles);
    for (const told of await onEachWay(ingest, sending)) {
      assert.deepEqual(told, { status: 503, code: "ingest.overloaded", retryAfter: "1" });
    }
    const frame = ["f", 9, [Date.now(), PICKUP.lat, PICKUP.lon]];
    assert.deepEqual(await onSocket({ ingest, stores }, flood, frame), [
      "e",
      9,
      "ingest.overloaded",
    ]);
    const patient = ingest.post(other.token, fixAt(northOfPickup(5)));
    isHeld = false;
    gate.open();
    assert.equal((await patient).status, 200, "the other one only waited");
    await settled;
    const answers = await Promise.all(waiting);
    assert.ok(answers.some(({ status }) => status === 200), "what was taken is answered");
    assert.ok(answers.every(({ status }) => [200, 429, 503].includes(status)));
  });
});
