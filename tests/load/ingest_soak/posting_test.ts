import assert from "node:assert/strict";
import type { RawAnswer } from "../harness/http_connection.ts";
import { MAX_CONNECTIONS, type PostConnection, Posting } from "./posting.ts";

const OK: RawAnswer = { status: 200, body: "{}" };

/** A server that answers nothing until it is told to. */
class SlowServer {
  readonly underWay: (() => void)[] = [];
  opened = 0;

  readonly open = (): Promise<PostConnection> => {
    this.opened++;
    return Promise.resolve({
      post: () => new Promise<RawAnswer>((resolve) => this.underWay.push(() => resolve(OK))),
      close: () => {},
    });
  };
}

function post(posting: Posting, count: number): Promise<unknown> {
  return Promise.all(Array.from({ length: count }, () => {
    const { promise, resolve } = Promise.withResolvers<RawAnswer | undefined>();
    posting.post({ path: "/", token: "t", body: "{}", done: resolve });
    return promise;
  }));
}

/** Until everything that can go on without an answer has done so. */
async function settle(): Promise<void> {
  for (let n = 0; n < 20; n++) await Promise.resolve();
}

Deno.test("Posting sends every post at once, however slowly those before are answered", async () => {
  const server = new SlowServer();
  const posting = new Posting(server.open);
  const answered = post(posting, 300);
  await settle();
  assert.equal(server.underWay.length, 300);
  for (const answer of server.underWay.splice(0)) answer();
  await answered;
  await settle();

  void post(posting, 300);
  await settle();
  assert.equal(server.underWay.length, 300);
  assert.equal(server.opened, 300, "connections are kept");
});

Deno.test("Posting opens no more connections than its bound; the rest waits and is sent", async () => {
  const server = new SlowServer();
  const posting = new Posting(server.open);
  const answered = post(posting, MAX_CONNECTIONS + 5);
  await settle();
  assert.equal(server.opened, MAX_CONNECTIONS);
  assert.equal(posting.waits.total, MAX_CONNECTIONS);
  while (server.underWay.length > 0) {
    for (const answer of server.underWay.splice(0)) answer();
    await settle();
  }
  await answered;
  assert.equal(server.opened, MAX_CONNECTIONS);
  assert.equal(posting.waits.total, MAX_CONNECTIONS + 5, "each wait is counted");
});
