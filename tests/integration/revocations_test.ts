/** What ended is known everywhere within 5 s: in ingest, and on open connections. */
import assert from "node:assert/strict";
import { issueAccessToken } from "shared/auth/access_tokens.ts";
import { insertApiKey, revokeApiKeys } from "shared/auth/api_keys.ts";
import { Credentials } from "shared/auth/credentials.ts";
import type { Mode, Role } from "shared/auth/principal.ts";
import { noteRevoked, Revocations } from "shared/auth/revocations.ts";
import { type Scope, SCOPES_OF_ROLE } from "shared/auth/scopes.ts";
import { deriveSecrets } from "shared/auth/server_secrets.ts";
import { createSession, endSessions } from "shared/auth/sessions.ts";
import { SigningKeys } from "shared/auth/signing_keys.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { silentLog } from "shared/log/log.ts";
import { fixAt, northOfPickup } from "../harness/couriers.ts";
import { newOrder } from "../harness/dispatch_world.ts";
import { insertAccount, insertCourier } from "../harness/fixtures.ts";
import { withIngest } from "../harness/ingest_world.ts";
import { openRawSocket } from "../harness/raw_socket.ts";
import { redisWith } from "../harness/stand_ins.ts";
import type { TestStores } from "../harness/stores.ts";
import { StreamViewer } from "../harness/track_viewer.ts";
import { type TrackerWorld, withTrackerWorld } from "../harness/tracker_world.ts";
import { withStores } from "../harness/with_stores.ts";

/** A session of an account and an access token made from it. */
async function signedIn({ sql }: TestStores, accountId: string, role: Role) {
  const { token, sessionId, expiresAt } = await createSession(sql, accountId);
  const secrets = await deriveSecrets("the secret key of these tests only");
  const signing = new SigningKeys({ sql, secrets, log: silentLog });
  const credential = { kind: "session", sessionId } as const;
  const access = await issueAccessToken(signing, "hexmile", {
    principal: { accountId, role, mode: "live", credential },
    sessionId,
    sessionExpiresAt: expiresAt,
  });
  return { token, sessionId, accessToken: access.token };
}

async function keyOf(
  { sql }: TestStores,
  accountId: string,
  scopes: readonly Scope[],
  mode: Mode = "live",
) {
  const { text, view } = await insertApiKey(sql, { accountId, name: "x", mode, scopes });
  return { key: text, keyId: view.id };
}

Deno.test("Revocations knows what ended after a poll, tells it once, and forgets it after ten minutes", async () => {
  await withStores(async ({ sql }) => {
    let nowMs = 0;
    const revocations = new Revocations({ sql, log: silentLog, now: () => nowMs });
    const told: string[] = [];
    revocations.onRevoked((id) => told.push(id));
    const id = uuidv7();
    await noteRevoked(sql, [id]);
    assert.deepEqual([revocations.isFresh(), revocations.isRevoked(id)], [false, false]);
    await revocations.poll();
    await revocations.poll();
    assert.deepEqual([revocations.isFresh(), revocations.isRevoked(id)], [true, true]);
    assert.deepEqual(told, [id]);
    await sql`update revocations set at = at - interval '11 minutes'`;
    nowMs += 599_000;
    await revocations.poll();
    assert.equal(revocations.isRevoked(id), true);
    nowMs += 2_000;
    await revocations.poll();
    assert.equal(revocations.isRevoked(id), false);
  });
});

Deno.test("Revocations does not miss an end whose transaction commits after a later one's", async () => {
  await withStores(async ({ sql }) => {
    const revocations = new Revocations({ sql, log: silentLog });
    const [early, late] = [uuidv7(), uuidv7()];
    await sql.begin(async (tx) => {
      await noteRevoked(tx, [early]);
      await noteRevoked(sql, [late]);
      await revocations.poll();
      assert.deepEqual([revocations.isRevoked(early), revocations.isRevoked(late)], [false, true]);
    });
    await revocations.poll();
    assert.equal(revocations.isRevoked(early), true);
  });
});

Deno.test("Revocations says that it is not fresh 4 s after its last reading, and reads further back then", async () => {
  await withStores(async ({ sql }) => {
    let nowMs = 0;
    const revocations = new Revocations({ sql, log: silentLog, now: () => nowMs });
    await revocations.poll();
    nowMs += 4_000;
    assert.equal(revocations.isFresh(), true);
    nowMs += 1;
    assert.equal(revocations.isFresh(), false);
    const id = uuidv7();
    await noteRevoked(sql, [id]);
    await sql`update revocations set at = at - interval '5 minutes'`;
    await revocations.poll();
    assert.equal(revocations.isRevoked(id), true);
  });
});

Deno.test("ingest takes sessions, access tokens and the keys of devices, and no others", async () => {
  await withIngest(async ({ ingest, stores }) => {
    const courierId = await insertCourier(stores.sql);
    const { token, accessToken } = await signedIn(stores, courierId, "courier");
    await ingest.credentials.revocations.poll();
    const { key } = await keyOf(stores, courierId, ["positions:write"]);
    const reading = await keyOf(stores, courierId, ["couriers:read"]);
    const testing = await keyOf(stores, courierId, ["positions:write"], "test");
    const merchantId = await insertAccount(stores.sql, "merchant");
    const foreign = await keyOf(stores, merchantId, SCOPES_OF_ROLE.merchant);
    const cases: [string, string, number, string | undefined][] = [
      ["session", token, 200, undefined],
      ["access token", accessToken, 200, undefined],
      ["device key", key, 200, undefined],
      ["key without the scope", reading.key, 403, "auth.scope_missing"],
      ["test key", testing.key, 403, "auth.forbidden"],
      ["a merchant's key", foreign.key, 403, "auth.forbidden"],
      ["altered access token", `${accessToken.slice(0, -4)}AAAA`, 401, "auth.required"],
    ];
    for (const [what, bearer, status, code] of cases) {
      const answer = await ingest.post(bearer, fixAt(northOfPickup(1)));
      assert.deepEqual([answer.status, answer.body["code"]], [status, code], what);
    }
  });
});

Deno.test("what ended is refused by ingest after its next reading, also when it was just remembered", async () => {
  await withIngest(async ({ ingest, stores }) => {
    const courierId = await insertCourier(stores.sql);
    const { token, accessToken } = await signedIn(stores, courierId, "courier");
    const { key } = await keyOf(stores, courierId, ["positions:write"]);
    const { revocations } = ingest.credentials;
    await revocations.poll();
    const bearers = [token, accessToken, key];
    const statuses = async () =>
      await Promise.all(
        bearers.map(async (bearer) => (await ingest.post(bearer, fixAt(northOfPickup(1)))).status),
      );
    assert.deepEqual(await statuses(), [200, 200, 200]);
    await stores.sql.begin(async (tx) => {
      await endSessions(tx, courierId);
      await revokeApiKeys(tx, courierId);
    });
    await revocations.poll();
    assert.deepEqual(await statuses(), [401, 401, 401]);
  });
});

Deno.test("while revocations cannot be read ingest takes no access token, and says to come again", async () => {
  await withIngest(async ({ ingest, stores }) => {
    const courierId = await insertCourier(stores.sql);
    const { accessToken } = await signedIn(stores, courierId, "courier");
    const answer = await ingest.post(accessToken, fixAt(northOfPickup(1)));
    assert.deepEqual([answer.status, answer.body["code"]], [503, "service.unavailable"]);
    assert.equal(answer.headers.get("retry-after"), "1");
  });
});

/** Opens a track with a header, as programs do. */
async function streamAs(world: TrackerWorld, orderId: string, bearer: string) {
  return await StreamViewer.open(world.tracker.url(`/api/v1/orders/${orderId}/track`), {
    authorization: `Bearer ${bearer}`,
  });
}

Deno.test("open sockets and streams of a session that ended close with 4401, and no others", async () => {
  await withTrackerWorld(async (world) => {
    const { stores, tracker, dispatch } = world;
    const { revocations } = tracker.credentials;
    const orderId = await newOrder(dispatch, { kind: "parcel" });
    const { sessionId, token } = await signedIn(stores, dispatch.customerId, "customer");
    const other = await signedIn(stores, dispatch.customerId, "customer");
    const courierId = await insertCourier(stores.sql);
    const ending = await world.view(orderId, { credentialId: sessionId });
    const staying = await world.view(orderId, { credentialId: other.sessionId });
    const byLink = await world.view(orderId);
    const channel = await world.channel(courierId, sessionId);
    const stream = await streamAs(world, orderId, token);
    for (const viewer of [ending, staying, byLink, channel, stream]) await viewer.until(1);
    await endSessions(stores.sql, dispatch.customerId, { only: sessionId });
    await revocations.poll();
    assert.deepEqual((await ending.untilClosed()).code, 4401);
    assert.deepEqual((await channel.untilClosed()).code, 4401);
    await stream.untilClosed();
    assert.equal(staying.closing, undefined);
    assert.equal(byLink.closing, undefined);
    const late = await world.view(orderId, { credentialId: sessionId });
    assert.equal((await late.untilClosed()).code, 4401, "a ticket of before opens nothing now");
    assert.deepEqual(late.frames, []);
  });
});

Deno.test("the tracker reads of an end by itself", async () => {
  await withTrackerWorld(async (world) => {
    const { stores, tracker, dispatch } = world;
    const stopping = new AbortController();
    const running = tracker.credentials.run(stopping.signal);
    try {
      const orderId = await newOrder(dispatch, { kind: "parcel" });
      const { sessionId } = await signedIn(stores, dispatch.customerId, "customer");
      const viewer = await world.view(orderId, { credentialId: sessionId });
      await viewer.until(1);
      await endSessions(stores.sql, dispatch.customerId, { only: sessionId });
      assert.equal((await viewer.untilClosed()).code, 4401);
    } finally {
      stopping.abort();
      await running;
    }
  });
});

Deno.test("a connection whose session just expired is found by asking Postgres", async () => {
  await withTrackerWorld(async (world) => {
    const { stores, tracker, dispatch } = world;
    const orderId = await newOrder(dispatch, { kind: "parcel" });
    const { sessionId } = await signedIn(stores, dispatch.customerId, "customer");
    const { keyId } = await keyOf(stores, dispatch.customerId, ["orders:read"]);
    const expiring = await world.view(orderId, { credentialId: sessionId });
    const staying = await world.view(orderId, { credentialId: keyId });
    for (const viewer of [expiring, staying]) await viewer.until(1);
    await tracker.live.recheck(stores.sql);
    await stores.sql`update sessions set expires_at = clock_timestamp() where id = ${sessionId}`;
    await tracker.live.recheck(stores.sql);
    assert.equal((await expiring.untilClosed()).code, 4401);
    assert.equal(staying.closing, undefined);
  });
});

Deno.test("a track opens to its parties by session, access token and key, and to nobody else", async () => {
  await withTrackerWorld(async (world) => {
    const { stores, tracker, dispatch } = world;
    await tracker.credentials.revocations.poll();
    const orderId = await newOrder(dispatch, { kind: "parcel" });
    const path = `/api/v1/orders/${orderId}/track`;
    const status = async (bearer: string) => {
      const headers = { authorization: `Bearer ${bearer}` };
      const response = await fetch(tracker.url(path), { headers });
      await response.body?.cancel();
      return response.status;
    };
    const own = await signedIn(stores, dispatch.customerId, "customer");
    const ownKey = await keyOf(stores, dispatch.customerId, ["orders:read"]);
    const narrow = await keyOf(stores, dispatch.customerId, ["orders:write"]);
    const strangerId = await insertAccount(stores.sql, "customer");
    const stranger = await signedIn(stores, strangerId, "customer");
    const courier = await signedIn(stores, await insertCourier(stores.sql), "courier");
    const staffId = await insertAccount(stores.sql, "dispatcher");
    const staff = await signedIn(stores, staffId, "dispatcher");
    const cases: [string, string, number][] = [
      ["own session", own.token, 200],
      ["own access token", own.accessToken, 200],
      ["own key", ownKey.key, 200],
      ["own key without the scope", narrow.key, 403],
      ["dispatcher", staff.accessToken, 200],
      ["stranger", stranger.token, 404],
      ["stranger's access token", stranger.accessToken, 404],
      ["courier without the order", courier.accessToken, 404],
      ["nobody", "A".repeat(43), 401],
    ];
    for (const [what, bearer, expected] of cases) {
      assert.equal(await status(bearer), expected, what);
    }
  });
});

Deno.test("a courier's channel opens by its access token or key, and to no other role", async () => {
  await withTrackerWorld(async (world) => {
    const { stores, tracker, dispatch } = world;
    await tracker.credentials.revocations.poll();
    const courierId = await insertCourier(stores.sql);
    const courier = await signedIn(stores, courierId, "courier");
    const customer = await signedIn(stores, dispatch.customerId, "customer");
    const device = await keyOf(stores, courierId, ["couriers:read"]);
    const narrow = await keyOf(stores, courierId, ["positions:write"]);
    const cases: [string, string, number][] = [
      ["access token", courier.accessToken, 101],
      ["session", courier.token, 101],
      ["device key", device.key, 101],
      ["key without the scope", narrow.key, 403],
      ["customer", customer.accessToken, 403],
      ["nobody", "A".repeat(43), 401],
    ];
    for (const [what, bearer, expected] of cases) {
      const { status, connection } = await openRawSocket(
        tracker.url("/api/v1/courier/channel"),
        { authorization: `Bearer ${bearer}` },
      );
      connection.close();
      assert.equal(status, expected, what);
    }
  });
});

Deno.test("a logout that Redis missed is known after the next reading, and the cache opens nothing", async () => {
  await withStores(async (stores) => {
    const { sql, keys } = stores;
    const accountId = await insertAccount(sql, "customer");
    const { token } = await createSession(sql, accountId);
    let isDeaf = false;
    const redis = redisWith(stores.redis, {
      set: (args, real) => isDeaf ? Promise.reject(new Error("away")) : real(...args),
    });
    const deps = { sql, redis, keys, log: silentLog, tokenIssuer: "hexmile" };
    const credentials = new Credentials(deps);
    assert.equal((await credentials.find(token))?.accountId, accountId);
    isDeaf = true;
    await credentials.sessions.end(token);
    assert.equal((await credentials.sessions.find(token))?.accountId, accountId, "still cached");
    await credentials.revocations.poll();
    assert.equal(await credentials.find(token), undefined);
  });
});
