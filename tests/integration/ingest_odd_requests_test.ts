/** Requests of phones that lose their network, and of those that are no phones: bytes on a socket. */
import assert from "node:assert/strict";
import { insertApiKey } from "shared/auth/api_keys.ts";
import {
  LOCATION_PATH,
  LOCATIONS_PATH,
  OSMAND_PATH,
  OWNTRACKS_PATH,
  POSITIONS_PATH,
} from "shared/live_api/ingest_routes.ts";
import { bodyOf, CourierIndex, fixAt, northOfPickup, PICKUP } from "../harness/couriers.ts";
import { insertCourier, insertRegion } from "../harness/fixtures.ts";
import { Ingest } from "../harness/ingest_world.ts";
import { askRaw, type RawAnswer } from "../harness/raw_http.ts";
import { withStores } from "../harness/with_stores.ts";

interface OddWorld {
  readonly url: string;
  readonly ingest: Ingest;
  readonly index: CourierIndex;
  readonly courierId: string;
  readonly key: string;
  /** The head of a request up to its own headers; of the courier, by session. */
  head(method: string, path: string, headers?: Readonly<Record<string, string>>): string;
}

/** A courier at an ingest that listens; that it can stop shows that nothing hangs in it. */
async function withOddWorld(use: (world: OddWorld) => Promise<void>): Promise<void> {
  await withStores(async (stores) => {
    await insertRegion(stores.sql);
    const ingest = new Ingest(stores);
    const courierId = await insertCourier(stores.sql);
    const token = await ingest.token(courierId);
    const { text: key } = await insertApiKey(stores.sql, {
      accountId: courierId,
      name: "phone",
      mode: "live",
      scopes: ["positions:write"],
    });
    await using server = ingest.listen();
    // So that the courier is known, and the short way is taken.
    await ingest.post(token, fixAt(PICKUP, 20_000));
    const usual = { host: "x", authorization: `Bearer ${token}`, connection: "close" };
    await use({
      url: server.url,
      ingest,
      index: new CourierIndex(stores),
      courierId,
      key,
      head: (method, path, headers = {}) => {
        const lines = Object.entries({ ...usual, ...headers }).map(([name, value]) =>
          `${name}: ${value}\r\n`
        );
        return `${method} ${path} HTTP/1.1\r\n${lines.join("")}`;
      },
    });
  });
}

const fixText = (agoMs: number) => JSON.stringify(bodyOf(fixAt(northOfPickup(10), agoMs)));
const batchText = (agoMs: number) => `{"positions":[${fixText(agoMs)}]}`;

function withLength(head: string, body: string, length = new TextEncoder().encode(body).length) {
  return `${head}content-length: ${length}\r\n\r\n${body}`;
}

function assertProblem([answer]: readonly RawAnswer[], status: number, code: string, what: string) {
  assert.deepEqual([answer?.status, answer?.code], [status, code], what);
  assert.equal(answer?.headers.get("content-type"), "application/problem+json", what);
}

Deno.test("a body that ends early is refused on every way in, and nothing of it is stored", async () => {
  await withOddWorld(async ({ url, index, courierId, key, head }) => {
    const before = await index.latest(courierId);
    const basic = { authorization: `Basic ${btoa(`bo:${key}`)}` };
    const ownTracks = JSON.stringify({ _type: "location", lat: 57.7, lon: 11.9, tst: 1 });
    const ways: [string, string][] = [
      [head("POST", LOCATION_PATH), fixText(1_000)],
      [head("POST", LOCATIONS_PATH), batchText(1_000)],
      [head("POST", OWNTRACKS_PATH, basic), ownTracks],
      [head("POST", OSMAND_PATH), `id=${key}&lat=57.7&lon=11.9`],
    ];
    for (const [start, body] of ways) {
      const what = start.slice(0, 40);
      // Whole by its looks, not by its length: what is missing could have been anything.
      const short = await askRaw(url, [withLength(start, body, body.length + 9)], {
        isHalfClosed: true,
      });
      assertProblem(short, 400, "request.malformed", what);
      assert.match(short[0]?.body ?? "", /Cannot read the body: it ended early/);
      const chunk = `${body.length.toString(16)}\r\n${body}\r\n`;
      const chunked = `${start}transfer-encoding: chunked\r\n\r\n${chunk}`;
      const cut = await askRaw(url, [chunked], { isHalfClosed: true });
      if (cut.length > 0) assertProblem(cut, 400, "request.malformed", what);
    }
    assert.deepEqual(await index.latest(courierId), before);
  });
});

Deno.test("senders who leave in the middle of a body leave nothing behind", async () => {
  await withOddWorld(async ({ url, ingest, index, courierId, head }) => {
    const before = await index.latest(courierId);
    const { hostname, port } = new URL(url);
    const begun = [
      withLength(head("POST", LOCATION_PATH), '{"lat":', 200),
      withLength(head("POST", LOCATIONS_PATH), '{"positions":[', 60_000),
      `${head("POST", LOCATION_PATH)}transfer-encoding: chunked\r\n\r\n5\r\n{"lat\r\n`,
      head("POST", LOCATION_PATH),
    ];
    for (let count = 0; count < 100; count++) {
      const connection = await Deno.connect({ hostname, port: Number(port) });
      await connection.write(new TextEncoder().encode(begun[count % begun.length]));
      connection.close();
    }
    const good = await askRaw(url, [withLength(head("POST", LOCATION_PATH), fixText(500))]);
    assert.equal(good[0]?.status, 200);
    assert.notDeepEqual(await index.latest(courierId), before);
    assert.equal(await ingest.counted("accepted"), 2, "theirs and nothing else");
  });
});

Deno.test("requests that follow one another without waiting are each answered, in order", async () => {
  await withOddWorld(async ({ url, head }) => {
    const open = { connection: "keep-alive" };
    const post = (body: string, headers: Record<string, string> = open) =>
      withLength(head("POST", LOCATION_PATH, headers), body);
    const answers = await askRaw(url, [
      post(fixText(3_000)) + post("{") + post('{"lat":86}') + post(fixText(2_000), {}),
    ]);
    assert.deepEqual(answers.map(({ status }) => status), [200, 400, 422, 200]);
  });
});

Deno.test("a body may come byte by byte, in chunks, or after it was asked for", async () => {
  await withOddWorld(async ({ url, head }) => {
    const start = head("POST", LOCATION_PATH);
    const slow = fixText(3_000);
    const byByte = [`${start}content-length: ${slow.length}\r\n\r\n`, ...slow];
    assert.equal((await askRaw(url, byByte))[0]?.status, 200);
    const asked = fixText(2_000);
    const expecting = `${start}expect: 100-continue\r\ncontent-length: ${asked.length}\r\n\r\n`;
    const answers = await askRaw(url, [expecting, asked]);
    assert.equal(answers.at(-1)?.status, 200);
    const body = fixText(1_000);
    const chunks = [body.slice(0, 16), body.slice(16)].map((part) =>
      `${part.length.toString(16)}\r\n${part}\r\n`
    );
    const chunked = `${start}transfer-encoding: chunked\r\n\r\n`;
    assert.equal((await askRaw(url, [chunked, ...chunks, "0\r\n\r\n"]))[0]?.status, 200);
  });
});

Deno.test("a body that is longer than it says, packed, or from two senders at once is refused", async () => {
  await withOddWorld(async ({ url, index, courierId, head }) => {
    const before = await index.latest(courierId);
    const body = fixText(1_000);
    const start = head("POST", LOCATION_PATH);
    const tooShort = await askRaw(url, [withLength(start, body, body.length - 5)]);
    assertProblem(tooShort, 400, "request.malformed", "a length that is too small");
    const stream = new Blob([body]).stream().pipeThrough(new CompressionStream("gzip"));
    const packed = new Uint8Array(await new Response(stream).arrayBuffer());
    const coded = `${start}content-encoding: gzip\r\ncontent-length: ${packed.length}\r\n\r\n`;
    assertProblem(await askRaw(url, [coded, packed]), 400, "request.malformed", "gzip");
    const [, authorization] = /(authorization: .*\r\n)/.exec(start) ?? [];
    const twice = await askRaw(url, [withLength(`${start}${authorization}`, body)]);
    assertProblem(twice, 401, "auth.required", "two Authorization headers");
    assert.deepEqual(await index.latest(courierId), before);
  });
});

Deno.test("what HTTP forbids is refused by the server, and harms nobody", async () => {
  await withOddWorld(async ({ url, ingest, index, courierId, head }) => {
    const before = await index.latest(courierId);
    const body = fixText(1_000);
    const start = head("POST", LOCATION_PATH);
    const chunk = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
    const forbidden: (string | Uint8Array)[] = [
      // Two ways to tell where the body ends let one request hide in another (RFC 9112 §6.1).
      `${start}content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n${chunk}`,
      `${start}content-length: ${body.length}\r\ncontent-length: 5\r\n\r\n${body}`,
      `${start}content-length: -5\r\n\r\n${body}`,
      `${start}content-length: 99999999999999999999\r\n\r\n${body}`,
      `${start}transfer-encoding: chunked\r\n\r\nzz\r\n${body}\r\n0\r\n\r\n`,
      `P\u0001ST ${LOCATION_PATH} HTTP/1.1\r\nhost: x\r\n\r\n`,
      `GET ${LOCATION_PATH}\r\n\r\n`,
      withLength(`${start}x-long: ${"a".repeat(1_000_000)}\r\n`, body),
      withLength(`${start}${"x-many: 1\r\n".repeat(10_000)}`, body),
      new Uint8Array([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
    ];
    for (const request of forbidden) {
      const [answer] = await askRaw(url, [request]);
      const what = String(request).slice(0, 200);
      assert.ok(answer === undefined || answer.status === 400 || answer.status === 431, what);
    }
    assert.deepEqual(await index.latest(courierId), before);
    assert.equal(await ingest.counted("accepted"), 1);
    const good = await askRaw(url, [withLength(start, fixText(500))]);
    assert.equal(good[0]?.status, 200);
  });
});

Deno.test("whatever a client calls the host, and whatever method it makes up, is no error of ours", async () => {
  await withOddWorld(async ({ url, key, head }) => {
    for (const host of ["[::::", "a b", "x:99999999", "%00", ""]) {
      const ask = async (path: string) => {
        const [answer] = await askRaw(url, [`${head("GET", path, { host })}\r\n`]);
        return [answer?.status, answer?.code];
      };
      assert.deepEqual(await ask(`${OSMAND_PATH}?id=${key}`), [200, undefined], host);
      assert.deepEqual(await ask(`${POSITIONS_PATH}?ticket=x`), [401, "ticket.invalid"], host);
      assert.deepEqual(await ask(POSITIONS_PATH), [422, "request.invalid"], host);
      assert.deepEqual(await ask("//elsewhere/"), [404, "route.not_found"], host);
    }
    for (const method of ["TRACE", "PATCH", "post", "BREW"]) {
      const answers = await askRaw(url, [`${head(method, LOCATION_PATH)}\r\n`]);
      assertProblem(answers, 405, "route.method_not_allowed", method);
    }
  });
});

Deno.test("a handshake that is none is refused by the names of its headers", async () => {
  await withOddWorld(async ({ url, head }) => {
    const right = {
      "connection": "keep-alive, Upgrade",
      "upgrade": "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    };
    const wrong: Record<string, Record<string, string>> = {
      "connection": { connection: "close" },
      "upgrade": { connection: "close", upgrade: "h2c" },
      "sec-websocket-version": { "sec-websocket-version": "8" },
      "sec-websocket-key": { "sec-websocket-key": "abc" },
    };
    for (const [field, headers] of Object.entries(wrong)) {
      const request = `${head("GET", POSITIONS_PATH, { ...right, ...headers })}\r\n`;
      const [answer] = await askRaw(url, [request], { isHalfClosed: true });
      assert.deepEqual([answer?.status, answer?.code], [422, "request.invalid"], field);
      const { errors } = JSON.parse(answer?.body ?? "{}");
      assert.ok(errors.some((error: { field: string }) => error.field === field), field);
    }
    const only = Object.fromEntries(Object.entries(right).slice(0, 2));
    const [answer] = await askRaw(url, [`${head("GET", POSITIONS_PATH, only)}\r\n`], {
      isHalfClosed: true,
    });
    const { errors } = JSON.parse(answer?.body ?? "{}");
    assert.deepEqual(errors, [
      { field: "sec-websocket-version", bound: "must be 13" },
      { field: "sec-websocket-key", bound: "must be 16 bytes in Base64" },
    ]);
  });
});
