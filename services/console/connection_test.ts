import assert from "node:assert/strict";
import { backoffMs, TrackConnection } from "./public/connection.js";
import type { Frame, FrameOutcome, LinkState } from "./track_types.ts";

/** A socket of the test's own: it opens nothing and says what it is told to. */
class FakeSocket {
  readyState = 1;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  onerror: (() => void) | null = null;
  constructor(readonly url: string) {}
  say(frame: unknown): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
  drop(): void {
    this.readyState = 3;
    this.onclose?.();
  }
  close(): void {
    this.readyState = 3;
  }
}

type Answer = { status: number; body?: unknown; headers?: Record<string, string> };

const TICKET: Answer = {
  status: 201,
  body: { webSocketUrl: "wss://tracker.example/api/v1/orders/o1/track?ticket=t" },
};
const POSITION = { type: "position", epoch: "1.a", seq: 8, position: { lat: 1, lon: 2 } };
const FRAME = {
  ...POSITION,
  position: { ...POSITION.position, recordedAt: "2026-11-20T17:00:00Z" },
};

/** Everything around a connection, with a clock that moves only by `runTimer`. */
function setUp(answers: Answer[], outcomes: FrameOutcome[] = []) {
  const links: LinkState[] = [];
  const sockets: FakeSocket[] = [];
  const frames: Frame[] = [];
  const requests: { url: string; token: string | null }[] = [];
  const timers: { run: () => void; afterMs: number; cancelled: boolean }[] = [];
  const state = { resumePoint: null as string | null, ended: false, nowMs: 0 };
  const connection = new TrackConnection({
    orderId: "o1",
    token: "secret",
    baseUrl: "https://hexmile.example/t/o1",
    resumePoint: () => state.resumePoint,
    onFrame: (frame) => {
      frames.push(frame);
      return outcomes.shift() ?? "applied";
    },
    onLink: (link) => links.push(link),
    onServerTime: () => {},
    hasEnded: () => state.ended,
    fetch: (input, init) => {
      const answer = answers.shift();
      if (answer === undefined) return Promise.reject(new Error("network is down"));
      requests.push({
        url: String(input),
        token: new Headers(init?.headers).get("x-tracking-token"),
      });
      const body = answer.body === undefined ? null : JSON.stringify(answer.body);
      const headers = { ...answer.headers };
      return Promise.resolve(new Response(body, { status: answer.status, headers }));
    },
    openSocket: (url) => {
      const socket = new FakeSocket(url);
      sockets.push(socket);
      return socket as unknown as WebSocket;
    },
    random: () => 0.5,
    nowMs: () => state.nowMs,
    schedule: (run, afterMs) => {
      const timer = { run, afterMs, cancelled: false };
      timers.push(timer);
      return () => {
        timer.cancelled = true;
      };
    },
  });
  const pending = () => timers.filter(({ cancelled }) => !cancelled);
  return { connection, links, sockets, frames, requests, timers, pending, state };
}

/** One turn of the event loop: the promises of a fake request are all settled after it. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 0));
}

/** Runs the one timer that waits. */
async function runTimer(test: ReturnType<typeof setUp>): Promise<number> {
  const [timer, ...others] = test.pending();
  assert.equal(others.length, 0, "more than one timer waits");
  assert.ok(timer !== undefined, "no timer waits");
  timer.cancelled = true;
  timer.run();
  await settle();
  return timer.afterMs;
}

Deno.test("backoffMs() doubles up to 20 s, with at least half of it certain", () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5, 50].map((attempt) => backoffMs(attempt, 0)), [
    300,
    600,
    1_200,
    2_400,
    4_800,
    9_600,
    10_000,
  ]);
  assert.equal(backoffMs(50, 1), 20_000);
});

Deno.test("TrackConnection fetches a ticket with the token and is live after a frame", async () => {
  const test = setUp([TICKET]);
  test.connection.retryNow();
  await settle();
  assert.deepEqual(test.requests, [{ url: "/api/v1/orders/o1/track-tickets", token: "secret" }]);
  assert.equal(test.sockets[0]?.url, "wss://tracker.example/api/v1/orders/o1/track?ticket=t");
  test.sockets[0]?.say(FRAME);
  assert.deepEqual(test.links, [{ kind: "connecting", attempt: 0 }, { kind: "live" }]);
  test.connection.close();
});

Deno.test("TrackConnection goes on from the last frame with a new ticket after a drop", async () => {
  const test = setUp([TICKET, TICKET]);
  test.connection.retryNow();
  await settle();
  test.sockets[0]?.say(FRAME);
  test.state.resumePoint = "1.a:8";
  test.sockets[0]?.drop();
  assert.deepEqual(test.links.at(-1), { kind: "reconnecting", attempt: 1 });
  assert.equal(await runTimer(test), 450);
  assert.equal(new URL(test.sockets[1]?.url ?? "").searchParams.get("since"), "1.a:8");
  test.sockets[1]?.say({ type: "resumed", epoch: "1.a", seq: 8 });
  assert.deepEqual(test.links.at(-1), { kind: "live" });
  test.connection.close();
});

Deno.test("TrackConnection drops what an older socket still says", async () => {
  const test = setUp([TICKET, TICKET]);
  test.connection.retryNow();
  await settle();
  test.sockets[0]?.say(FRAME);
  test.sockets[0]?.drop();
  await runTimer(test);
  test.sockets[0]?.say(FRAME);
  test.sockets[0]?.drop();
  assert.equal(test.frames.length, 1);
  assert.equal(test.sockets.length, 2);
  test.connection.close();
});

Deno.test("TrackConnection asks for the rest after a gap, and for a snapshot if that has one too", async () => {
  const test = setUp([TICKET, TICKET, TICKET], ["applied", "gap", "gap"]);
  test.connection.retryNow();
  await settle();
  test.sockets[0]?.say(FRAME);
  test.state.resumePoint = "1.a:8";
  test.sockets[0]?.say({ ...FRAME, seq: 11 });
  await runTimer(test);
  assert.equal(new URL(test.sockets[1]?.url ?? "").searchParams.get("since"), "1.a:8");
  test.sockets[1]?.say({ ...FRAME, seq: 12 });
  await runTimer(test);
  assert.equal(new URL(test.sockets[2]?.url ?? "").searchParams.get("since"), null);
  test.connection.close();
});

Deno.test("TrackConnection refuses for good when the link is not accepted", async () => {
  const cases = [
    { status: 404, code: "order.not_found", reason: "invalid" },
    { status: 401, code: "auth.invalid", reason: "invalid" },
    { status: 410, code: "gone", reason: "expired" },
    { status: 401, code: "tracking.link_expired", reason: "expired" },
  ];
  for (const { status, code, reason } of cases) {
    const test = setUp([{ status, body: { code } }]);
    test.connection.retryNow();
    await settle();
    assert.deepEqual(test.links.at(-1), { kind: "refused", reason });
    assert.equal(test.pending().length, 0);
    test.connection.wake();
    assert.equal(test.requests.length, 1);
  }
});

Deno.test("TrackConnection waits as long as the server asks for", async () => {
  const test = setUp([{ status: 429, headers: { "retry-after": "7" } }, TICKET]);
  test.connection.retryNow();
  await settle();
  assert.deepEqual(test.links.at(-1), { kind: "connecting", attempt: 1 });
  assert.equal(await runTimer(test), 7_000);
  assert.equal(test.sockets.length, 1);
  test.connection.close();
});

Deno.test("TrackConnection stops trying after 60 failures and starts again when asked", async () => {
  const test = setUp([]);
  const warn = console.warn;
  console.warn = () => {};
  try {
    test.connection.retryNow();
    await settle();
    for (let failure = 0; failure < 60; failure++) await runTimer(test);
    assert.deepEqual(test.links.at(-1), { kind: "paused" });
    assert.equal(test.pending().length, 0);
    test.connection.retryNow();
    await settle();
    assert.equal(test.pending().length, 1);
  } finally {
    console.warn = warn;
    test.connection.close();
  }
});

Deno.test("TrackConnection ends after a terminal frame without another try", async () => {
  const test = setUp([TICKET]);
  test.connection.retryNow();
  await settle();
  test.state.ended = true;
  test.sockets[0]?.say(FRAME);
  assert.deepEqual(test.links.at(-1), { kind: "ended" });
  test.sockets[0]?.drop();
  assert.equal(test.pending().length, 0);
});

Deno.test("TrackConnection renews a silent line without a word, each time after twice the silence", async () => {
  const test = setUp([TICKET, TICKET, TICKET], ["applied", "ignored", "ignored"]);
  test.connection.retryNow();
  await settle();
  test.sockets[0]?.say(FRAME);
  assert.equal(await runTimer(test), 40_000);
  test.sockets[1]?.say({ type: "resumed", epoch: "1.a", seq: 8 });
  assert.equal(await runTimer(test), 80_000);
  assert.ok(test.links.slice(1).every(({ kind }) => kind === "live"));
  test.connection.close();
});

Deno.test("TrackConnection wakes only a line that is down or has been silent", async () => {
  const test = setUp([TICKET, TICKET]);
  test.connection.retryNow();
  await settle();
  test.sockets[0]?.say(FRAME);
  test.state.nowMs = 9_000;
  test.connection.wake();
  await settle();
  assert.equal(test.sockets.length, 1);
  test.state.nowMs = 60_000;
  test.connection.wake();
  await settle();
  assert.equal(test.sockets.length, 2);
  assert.equal(test.sockets[0]?.readyState, 3);
  test.connection.close();
});
