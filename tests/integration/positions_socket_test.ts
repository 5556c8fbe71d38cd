/** A courier's WebSocket, as a phone uses it and as an attacker does. */
import assert from "node:assert/strict";
import { POSITIONS_PATH } from "shared/live_api/ingest_routes.ts";
import { createTicket } from "shared/auth/tickets.ts";
import { endSessions } from "shared/auth/sessions.ts";
import { withTimeout } from "shared/clock/timeout.ts";
import { northOfPickup, PICKUP } from "../harness/couriers.ts";
import { eventually } from "../harness/eventually.ts";
import { insertAccount, insertCourier } from "../harness/fixtures.ts";
import { APP_ORIGIN, type Ingest, withIngest } from "../harness/ingest_world.ts";
import { frameBytes, openRawSocket } from "../harness/raw_socket.ts";
import type { TestStores } from "../harness/stores.ts";

const BOUND_MS = 10_000;

/** A phone: what it was answered, and how it was closed. */
class Phone implements AsyncDisposable {
  readonly frames: unknown[][] = [];
  readonly closed = Promise.withResolvers<{ code: number; reason: string }>();
  readonly #socket: WebSocket;
  readonly #opened = Promise.withResolvers<void>();

  constructor(url: string) {
    this.#socket = new WebSocket(url);
    this.#socket.onopen = () => this.#opened.resolve();
    this.#socket.onmessage = ({ data }) => this.frames.push(JSON.parse(data));
    this.#socket.onclose = ({ code, reason }) => {
      this.closed.resolve({ code, reason });
      this.#opened.reject(new Error(`closed: ${code} ${reason}`));
    };
    this.#socket.onerror = () => {};
    this.#opened.promise.catch(() => {});
  }

  async open(): Promise<this> {
    await withTimeout("open", BOUND_MS, this.#opened.promise);
    return this;
  }

  send(frame: unknown): void {
    const isRaw = typeof frame === "string" || frame instanceof Uint8Array;
    this.#socket.send(isRaw ? frame : JSON.stringify(frame));
  }

  /** Waits for so many answers. */
  async answers(count: number): Promise<unknown[][]> {
    await eventually(`${count} answers`, () => this.frames.length >= count);
    return this.frames;
  }

  async end(): Promise<{ code: number; reason: string }> {
    return await withTimeout("close", BOUND_MS, this.closed.promise);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    await this.closed.promise;
  }
}

function urlOf(server: { url: string }, query = ""): string {
  return `${server.url.replace("http", "ws")}/api/v1/courier/positions${query}`;
}

/** Connects as a courier, with a ticket that stands on a credential. */
async function connect(
  { redis, keys }: TestStores,
  server: { url: string },
  courierId: string,
  credentialId = courierId,
): Promise<Phone> {
  const grant = { kind: "courier_positions", courierId, credentialId } as const;
  const ticket = await createTicket(redis, keys, grant);
  return await new Phone(urlOf(server, `?ticket=${ticket}`)).open();
}

const tuple = (distanceM: number, agoMs: number) => {
  const { lat, lon } = northOfPickup(distanceM);
  return [Date.now() - agoMs, lat, lon];
};

Deno.test("a phone's frames are acknowledged with its own numbers, once Redis has them", async () => {
  await withIngest(async ({ ingest, stores, index }) => {
    await using server = ingest.listen();
    const id = await insertCourier(stores.sql);
    await using phone = await connect(stores, server, id);
    phone.send(["f", 41, [...tuple(10, 3_000), 4.5, 90, 3]]);
    assert.deepEqual(await phone.answers(1), [["a", 41, ["accepted"]]]);
    assert.deepEqual((await index.latest(id))?.headingDeg, 90);
    phone.send(["b", 7, [tuple(30, 1_000), tuple(20, 2_000), tuple(5_000, 500)]]);
    phone.send(["h", 8]);
    await phone.answers(3);
    assert.deepEqual(phone.frames.slice(1).sort(), [
      ["a", 7, ["accepted", "accepted", "jump"]],
      ["a", 8, ["accepted"]],
    ]);
    assert.equal(await index.isIndexed(id), true);
  });
});

Deno.test("heartbeats keep a standing courier in the index, and silence does not", async () => {
  await withIngest(async ({ ingest, stores, index }) => {
    await using server = ingest.listen();
    const id = await insertCourier(stores.sql);
    await using phone = await connect(stores, server, id);
    phone.send(["f", 1, tuple(0, 60_000)]);
    await phone.answers(1);
    for (let beat = 2; beat < 5; beat++) {
      await index.age(id, 20_000);
      phone.send(["h", beat]);
      await phone.answers(beat);
      await index.availability.sweepSilent();
      assert.equal(await index.isIndexed(id), true);
    }
    await index.age(id, 46_000);
    await index.availability.sweepSilent();
    assert.equal(await index.isIndexed(id), false);
  });
});

Deno.test("a browser comes with a ticket, once, from an allowed page", async () => {
  await withIngest(async ({ ingest, stores }) => {
    const { redis, keys, sql } = stores;
    await using server = ingest.listen();
    const courierId = await insertCourier(sql);
    const grant = { kind: "courier_positions", courierId, credentialId: courierId } as const;
    const query = `?ticket=${await createTicket(redis, keys, grant)}`;
    const foreign = await openRawSocket(urlOf(server, query), { origin: "https://evil.example" });
    assert.equal(foreign.status, 403);
    foreign.connection.close();
    const own = await openRawSocket(urlOf(server, query), { origin: APP_ORIGIN });
    assert.equal(own.status, 101);
    own.connection.close();
    const again = await openRawSocket(urlOf(server, query));
    assert.equal(again.status, 401);
    again.connection.close();
    const channel = { kind: "courier_channel", courierId } as const;
    const other = await createTicket(redis, keys, channel);
    const wrong = await openRawSocket(urlOf(server, `?ticket=${other}`));
    assert.equal(wrong.status, 401);
    wrong.connection.close();
    const customer = await ingest.token(await insertAccount(sql, "customer"));
    const stranger = await openRawSocket(urlOf(server), { authorization: `Bearer ${customer}` });
    assert.equal(stranger.status, 403);
    stranger.connection.close();
    const url = `http://ingest.test${POSITIONS_PATH}`;
    assert.equal((await ingest.fetch(new Request(url))).status, 401);
    const headers = { authorization: `Bearer ${await ingest.token(courierId)}` };
    assert.equal((await ingest.fetch(new Request(url, { headers }))).status, 422);
  });
});

Deno.test("a socket closes with 4401 when its session ends, and a new one is refused", async () => {
  await withIngest(async ({ ingest, stores }) => {
    await using server = ingest.listen();
    const id = await insertCourier(stores.sql);
    const token = await ingest.token(id);
    await ingest.credentials.revocations.poll();
    const [session] = await stores.sql<{ id: string }[]>`
      select id from sessions where account_id = ${id}`;
    await using phone = await connect(stores, server, id, session?.id);
    phone.send(["h", 1]);
    await phone.answers(1);
    await stores.sql.begin((tx) => endSessions(tx, id));
    await ingest.credentials.revocations.poll();
    assert.equal((await phone.end()).code, 4401);
    const refused = await openRawSocket(urlOf(server), { authorization: `Bearer ${token}` });
    assert.equal(refused.status, 401);
    refused.connection.close();
  });
});

Deno.test("a socket of which nothing is heard for nine rounds is closed (1001), whether or not its phone still answers", async () => {
  await withIngest(async ({ ingest, stores }) => {
    await using server = ingest.listen();
    const [quiet, talking, dead] = [
      await insertCourier(stores.sql),
      await insertCourier(stores.sql),
      await insertCourier(stores.sql),
    ];
    await using quietPhone = await connect(stores, server, quiet);
    await using talkingPhone = await connect(stores, server, talking);
    // Never reads, and does not answer the close.
    const raw = await openRawSocket(urlOf(server), {
      authorization: `Bearer ${await ingest.token(dead)}`,
    });
    const open = async () => (await ingest.metrics.sockets.get()).values[0]?.value;
    await eventually("all three are open", async () => await open() === 3);
    const endRounds = (count: number) => {
      for (let round = 0; round < count; round++) ingest.silenceWatch.endRound();
    };
    endRounds(8);
    talkingPhone.send(["h", 1]);
    await talkingPhone.answers(1);
    assert.equal(await open(), 3);
    endRounds(2);
    assert.equal(await open(), 1);
    assert.equal((await quietPhone.end()).code, 1001);
    const { values } = await ingest.metrics.socketsClosed.get();
    assert.deepEqual(values.map(({ labels, value }) => [labels.reason, value]), [["1001", 2]]);
    const closing = async () => (await ingest.metrics.socketsClosing.get()).values[0]?.value;
    await eventually("one has answered the close", async () => await closing() === 1);
    raw.connection.close();
    await eventually("the other is gone", async () => await closing() === 0);
    assert.equal(await open(), 1);
    talkingPhone.send(["h", 2]);
    await talkingPhone.answers(2);
  });
});

/** Whether ingest still serves somebody else. */
async function assertAlive(
  { ingest, stores }: { ingest: Ingest; stores: TestStores },
  server: { url: string },
): Promise<void> {
  await using phone = await connect(stores, server, await insertCourier(stores.sql));
  phone.send(["f", 1, [Date.now(), PICKUP.lat, PICKUP.lon]]);
  const [answer] = await phone.answers(1);
  assert.equal(answer?.[0], "a");
  const { values } = await ingest.metrics.sockets.get();
  assert.ok((values[0]?.value ?? 0) >= 1);
}

Deno.test("bad frames are answered, close their socket at a bound, and end nothing else", async () => {
  await withIngest(async ({ ingest, stores }) => {
    await using server = ingest.listen();
    const id = await insertCourier(stores.sql);
    const bad: (string | Uint8Array)[] = [
      "",
      "{",
      "null",
      "[".repeat(9_000),
      '["f"]',
      '["f",1,[1e999,0,0]]',
      '["f",1,{"length":3}]',
      `["b",1,[${"[],".repeat(200)}[]]]`,
      '["__proto__",1]',
      '["f",9007199254740993,[0,0,0]]',
      "\u0000\ud800",
      new Uint8Array([0, 255, 1]),
    ];
    {
      await using phone = await connect(stores, server, id);
      for (const frame of bad) phone.send(frame);
      const answers = await phone.answers(bad.length);
      for (const [kind] of answers) assert.equal(kind, "e");
      phone.send(["h", 5]);
      assert.deepEqual((await phone.answers(bad.length + 1)).at(-1), ["a", 5, ["accepted"]]);
      for (let more = bad.length; more < 20; more++) phone.send("x");
      assert.deepEqual(await phone.end(), { code: 1008, reason: "too many bad frames" });
    }
    {
      await using phone = await connect(stores, server, id);
      phone.send(`["h",1${" ".repeat(17 * 1024)}]`);
      assert.equal((await phone.end()).code, 1009);
    }
    await assertAlive({ ingest, stores }, server);
  });
});

Deno.test("a socket that breaks the protocol itself ends alone", async () => {
  await withIngest(async ({ ingest, stores }) => {
    await using server = ingest.listen();
    const token = await ingest.token(await insertCourier(stores.sql));
    const attacks = [
      frameBytes(1, new TextEncoder().encode("x"), { isMasked: false }),
      frameBytes(3, new Uint8Array(3)),
      frameBytes(1, new Uint8Array([0xc3, 0x28])),
      frameBytes(1, new Uint8Array(3), { claimedLength: 2n ** 62n }),
      frameBytes(8, new Uint8Array([0])),
      crypto.getRandomValues(new Uint8Array(2_000)),
    ];
    for (const bytes of attacks) {
      const raw = await openRawSocket(urlOf(server), { authorization: `Bearer ${token}` });
      assert.equal(raw.status, 101);
      await raw.connection.write(bytes);
      // What the server does with it is its own affair: it must live.
      raw.connection.close();
    }
    await assertAlive({ ingest, stores }, server);
    await eventually(
      "every socket is counted out again",
      async () => (await ingest.metrics.sockets.get()).values[0]?.value === 0,
    );
  });
});

Deno.test("a flood on one socket is refused, then cut off, and others are served", async () => {
  await withIngest(async ({ ingest, stores }) => {
    await using server = ingest.listen();
    const id = await insertCourier(stores.sql);
    await using phone = await connect(stores, server, id);
    for (let seq = 0; seq < 3_000; seq++) phone.send(["f", seq, tuple(0, 20_000 - seq)]);
    await assertAlive({ ingest, stores }, server);
    // Its own sending may break before it reads why.
    await phone.end();
    const { values } = await ingest.metrics.socketsClosed.get();
    assert.deepEqual(values.map(({ labels, value }) => [labels.reason, value]), [["1008", 1]]);
    assert.ok(await ingest.counted("accepted") <= 125, "the limit held");
  });
});

Deno.test("ten thousand heartbeats at once are limited as fixes are, and disturb nobody", async () => {
  await withIngest(async ({ ingest, stores, index }) => {
    await using server = ingest.listen();
    const id = await insertCourier(stores.sql);
    const quiet = await insertCourier(stores.sql);
    await using phone = await connect(stores, server, id);
    await using other = await connect(stores, server, quiet);
    for (let seq = 0; seq < 10_000; seq++) phone.send(["h", seq]);
    // What the other sends is behind no queue of the first one's.
    for (let seq = 0; seq < 5; seq++) other.send(["f", seq, tuple(seq, 5_000 - seq * 1_000)]);
    await other.answers(5);
    for (const [kind, , codes] of other.frames) {
      assert.deepEqual([kind, codes], ["a", ["accepted"]]);
    }
    await phone.end();
    const { values } = await ingest.metrics.heartbeats.get();
    const heard = values.find(({ labels }) => labels.result === "accepted")?.value ?? 0;
    assert.ok(heard > 0 && heard <= 125, `${heard} were taken`);
    assert.equal(await index.isIndexed(quiet), true);
    await eventually(
      "its socket is counted out",
      async () => (await ingest.metrics.sockets.get()).values[0]?.value === 1,
    );
  });
});

Deno.test("a phone that reads no answers is cut off", async () => {
  await withIngest(async ({ ingest, stores }) => {
    await using server = ingest.listen();
    const token = await ingest.token(await insertCourier(stores.sql));
    const raw = await openRawSocket(urlOf(server), { authorization: `Bearer ${token}` });
    // Each of these bad frames is answered, and nobody reads the answers: either bound ends it.
    const frame = frameBytes(1, new TextEncoder().encode("x"));
    try {
      for (let count = 0; count < 2_000; count++) await raw.connection.write(frame);
    } catch {
      // Cut off while it was still sending.
    }
    await eventually(
      "the socket is gone",
      async () => (await ingest.metrics.sockets.get()).values[0]?.value === 0,
    );
    raw.connection.close();
  });
});
