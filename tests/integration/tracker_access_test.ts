/** Who may follow a track or a channel, and what a client may do to the process. */
import assert from "node:assert/strict";
import { createSession } from "shared/auth/sessions.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { newOrder } from "../harness/dispatch_world.ts";
import { eventually } from "../harness/eventually.ts";
import { insertCourier } from "../harness/fixtures.ts";
import { PARTITION } from "../harness/outbox.ts";
import { frameBytes, openRawSocket } from "../harness/raw_socket.ts";
import { PAGE_ORIGIN, type TrackerWorld, withTrackerWorld } from "../harness/tracker_world.ts";

const TEXT = 0x1;
const RESERVED = 0x3;
const CLOSE = 0x8;

interface Answer {
  readonly status: number;
  readonly code: unknown;
  readonly headers: Headers;
}

/** Asks over plain HTTP; an event stream that opens is closed again. */
async function ask(
  world: TrackerWorld,
  path: string,
  init: RequestInit = {},
): Promise<Answer> {
  const response = await world.tracker.ask(path, init);
  const { status, headers } = response;
  if (headers.get("content-type") === "text/event-stream") {
    await response.body?.cancel();
    return { status, headers, code: undefined };
  }
  const text = await response.text();
  const code = text === "" ? undefined : (JSON.parse(text) as { code: unknown }).code;
  return { status, headers, code };
}

function trackPath(orderId: string, ticket?: string): string {
  return `/api/v1/orders/${orderId}/track${ticket === undefined ? "" : `?ticket=${ticket}`}`;
}

async function assertRefused(
  answering: Promise<Answer>,
  status: number,
  code: string,
): Promise<void> {
  const answer = await answering;
  assert.equal(answer.status, status);
  assert.equal(answer.code, code);
  assert.equal(answer.headers.get("content-type"), "application/problem+json");
}

Deno.test("a ticket opens its own order, once", async () => {
  await withTrackerWorld(async (world) => {
    const orderId = await newOrder(world.dispatch, { kind: "parcel" });
    const other = await newOrder(world.dispatch, { kind: "parcel" });
    const ticket = await world.ticket({ kind: "track", orderId });
    assert.equal((await ask(world, trackPath(orderId, ticket))).status, 200);
    await assertRefused(ask(world, trackPath(orderId, ticket)), 401, "ticket.invalid");
    const second = await world.ticket({ kind: "track", orderId });
    await assertRefused(ask(world, trackPath(other, second)), 401, "ticket.invalid");
    await assertRefused(ask(world, trackPath(orderId, second)), 401, "ticket.invalid");
    const courierId = await insertCourier(world.sql);
    const channel = await world.ticket({ kind: "courier_channel", courierId });
    await assertRefused(ask(world, trackPath(orderId, channel)), 401, "ticket.invalid");
    await assertRefused(ask(world, trackPath(orderId, "guess")), 401, "ticket.invalid");
    const stranger = uuidv7();
    const unknown = await world.ticket({ kind: "track", orderId: stranger });
    await assertRefused(ask(world, trackPath(stranger, unknown)), 401, "ticket.invalid");
  });
});

Deno.test("of ten sockets with one ticket one opens", async () => {
  await withTrackerWorld(async (world) => {
    const orderId = await newOrder(world.dispatch, { kind: "parcel" });
    const ticket = await world.ticket({ kind: "track", orderId });
    const url = world.tracker.url(trackPath(orderId, ticket));
    const sockets = await Promise.all(Array.from({ length: 10 }, () => openRawSocket(url)));
    const statuses = sockets.map(({ status }) => status).sort();
    for (const { connection } of sockets) connection.close();
    assert.deepEqual(statuses, [101, ...Array.from({ length: 9 }, () => 401)]);
  });
});

Deno.test("the secret of a tracking link opens its own order, and says nothing of others", async () => {
  await withTrackerWorld(async (world) => {
    const orderId = await newOrder(world.dispatch, { kind: "parcel" });
    const other = await newOrder(world.dispatch, { kind: "parcel" });
    const token = await world.trackingToken(orderId);
    const headers = { "x-tracking-token": token };
    assert.equal((await ask(world, trackPath(orderId), { headers })).status, 200);
    assert.equal(
      (await ask(world, trackPath(orderId), { headers })).status,
      200,
      "again and again",
    );
    for (const path of [trackPath(other), trackPath(uuidv7()), trackPath("1"), trackPath("%00")]) {
      await assertRefused(ask(world, path, { headers }), 404, "order.not_found");
    }
    const wrong = { "x-tracking-token": token.slice(1) };
    await assertRefused(ask(world, trackPath(orderId), { headers: wrong }), 404, "order.not_found");
    await assertRefused(ask(world, trackPath(orderId)), 401, "auth.required");
  });
});

Deno.test("pages of other origins are refused, over HTTP and over WebSockets", async () => {
  await withTrackerWorld(async (world) => {
    const orderId = await newOrder(world.dispatch, { kind: "parcel" });
    const ticket = await world.ticket({ kind: "track", orderId });
    const foreign = { origin: "https://evil.example" };
    const path = trackPath(orderId, ticket);
    await assertRefused(ask(world, path, { headers: foreign }), 403, "auth.forbidden");
    const refused = await openRawSocket(world.tracker.url(path), { Origin: foreign.origin });
    refused.connection.close();
    assert.equal(refused.status, 403);
    const preflight = await ask(world, path, {
      method: "OPTIONS",
      headers: { origin: PAGE_ORIGIN },
    });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers.get("access-control-allow-origin"), PAGE_ORIGIN);
    // A page must be able to read why it was refused.
    const unknown = await ask(world, trackPath(orderId), { headers: { origin: PAGE_ORIGIN } });
    assert.equal(unknown.headers.get("access-control-allow-origin"), PAGE_ORIGIN);
    await assertRefused(Promise.resolve(unknown), 401, "auth.required");
    // The ticket was not used up by those who were refused.
    const allowed = await openRawSocket(world.tracker.url(path), { Origin: PAGE_ORIGIN });
    allowed.connection.close();
    assert.equal(allowed.status, 101);
  });
});

Deno.test("the tracker answers other routes, methods and a channel without an upgrade with problems", async () => {
  await withTrackerWorld(async (world) => {
    const courierId = await insertCourier(world.sql);
    await assertRefused(ask(world, "/api/v1/orders"), 404, "route.not_found");
    await assertRefused(ask(world, "/"), 404, "route.not_found");
    const post = { method: "POST" };
    await assertRefused(ask(world, trackPath(uuidv7()), post), 405, "route.method_not_allowed");
    const channel = "/api/v1/courier/channel";
    await assertRefused(ask(world, channel), 401, "auth.required");
    const { token } = await createSession(world.sql, courierId);
    const headers = { authorization: `Bearer ${token}` };
    await assertRefused(ask(world, channel, { headers }), 422, "request.invalid");
    const url = world.tracker.url(channel);
    const track = await world.ticket({ kind: "track", orderId: uuidv7() });
    const stranger = await world.ticket({ kind: "courier_channel", courierId: uuidv7() });
    const own = await world.ticket({ kind: "courier_channel", courierId });
    const statuses: number[] = [];
    for (const query of ["", `?ticket=${track}`, `?ticket=${stranger}`, `?ticket=${own}`]) {
      const socket = await openRawSocket(`${url}${query}`);
      socket.connection.close();
      statuses.push(socket.status);
    }
    assert.deepEqual(statuses, [401, 401, 401, 101]);
  });
});

async function openConnections({ tracker }: TrackerWorld): Promise<number> {
  const { values } = await tracker.metrics.connections.get();
  return values.reduce((sum, { value }) => sum + value, 0);
}

Deno.test("broken and unasked frames of a client hurt nobody else", async () => {
  await withTrackerWorld(async (world) => {
    const orderId = await newOrder(world.dispatch, { kind: "parcel" });
    const viewer = await world.view(orderId);
    await viewer.until(1);
    viewer.send("x".repeat(100_000));
    viewer.send("{}");
    const none = new Uint8Array();
    const bad = [
      frameBytes(TEXT, new Uint8Array([0xff, 0xfe, 0xfd])),
      frameBytes(TEXT, new TextEncoder().encode("unmasked"), { isMasked: false }),
      frameBytes(RESERVED, none),
      frameBytes(TEXT, none, { claimedLength: 2n ** 62n }),
      frameBytes(CLOSE, new Uint8Array([0x03])),
      frameBytes(CLOSE, new Uint8Array([0x00, 0x01, 0xff])),
      crypto.getRandomValues(new Uint8Array(4_096)),
      none,
    ];
    for (const bytes of bad) {
      const ticket = await world.ticket({ kind: "track", orderId });
      const socket = await openRawSocket(world.tracker.url(trackPath(orderId, ticket)));
      assert.equal(socket.status, 101);
      await socket.connection.write(bytes);
      socket.connection.close();
    }
    await eventually("they are gone", async () => await openConnections(world) === 1);
    const body = { type: "status", at: new Date().toISOString(), version: 2, status: "confirmed" };
    const frame = { kind: "status", version: 2, body } as const;
    await world.tracker.trackLog.append(PARTITION, orderId, frame);
    await viewer.until(2);
    assert.deepEqual(viewer.story, ["snapshot", "status confirmed"]);
    assert.equal(viewer.closing, undefined);
  });
});

Deno.test("a viewer who does not read is let go, and the others are not held up", async () => {
  await withTrackerWorld(async (world) => {
    const orderId = await newOrder(world.dispatch, { kind: "parcel" });
    const reader = await world.view(orderId);
    await reader.until(1);
    const ticket = await world.ticket({ kind: "track", orderId });
    const lazy = await openRawSocket(world.tracker.url(trackPath(orderId, ticket)));
    try {
      const pad = "x".repeat(64 * 1024);
      let version = 1;
      await eventually("the lazy one is let go", async () => {
        for (let frame = 0; frame < 10; frame++) {
          version++;
          const courier = { name: pad, vehicle: "bicycle" };
          const body = { type: "courier", at: new Date().toISOString(), version, courier };
          const kind = "courier";
          await world.tracker.trackLog.append(PARTITION, orderId, { kind, version, body });
        }
        const { values } = await world.tracker.metrics.slowClosed.get();
        return (values[0]?.value ?? 0) > 0;
      });
      await reader.until(version);
      assert.equal(reader.disorder, undefined);
      assert.equal(reader.closing, undefined);
      console.log(`let go after ${Math.round((version * pad.length) / 2 ** 20)} MB`);
    } finally {
      lazy.connection.close();
    }
  });
});

Deno.test("fifty sockets share one subscribing connection to Redis", async () => {
  await withTrackerWorld(async (world) => {
    const { redis, prefix } = world.stores;
    const ours = async () => {
      const list = String(await redis.client("LIST")).split("\n");
      const named = list.filter((line) => line.includes(`name=${prefix.slice(0, -1)}`));
      const subscribed = named.filter((line) => / sub=[1-9]/.test(line));
      return { all: named.length, subscribed: subscribed.length };
    };
    const orders = [
      await newOrder(world.dispatch, { kind: "parcel" }),
      await newOrder(world.dispatch, { kind: "parcel" }),
    ];
    const before = await ours();
    const viewers = await Promise.all(
      Array.from({ length: 50 }, (_, at) => world.view(orders[at % 2] ?? "")),
    );
    for (const viewer of viewers) await viewer.until(1);
    assert.deepEqual(await ours(), { all: before.all, subscribed: 1 });
    for (const orderId of orders) {
      const at = new Date().toISOString();
      const body = { type: "status", at, version: 2, status: "confirmed" };
      const frame = { kind: "status", version: 2, body } as const;
      await world.tracker.trackLog.append(PARTITION, orderId, frame);
    }
    for (const viewer of viewers) {
      await viewer.until(2);
      assert.deepEqual(viewer.story, ["snapshot", "status confirmed"]);
    }
    assert.equal(await openConnections(world), 50);
    await Promise.all(viewers.map((viewer) => viewer.close()));
    await eventually("all are gone", async () => await openConnections(world) === 0);
    await eventually("nothing is subscribed", async () => (await ours()).subscribed === 0);
  });
});
