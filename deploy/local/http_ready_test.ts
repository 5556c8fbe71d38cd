import assert from "node:assert/strict";
import { isHttpReady } from "./http_ready.ts";

Deno.test("isHttpReady() is true for status 200 and otherwise tells the status", async () => {
  let status = 503;
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    return new Response(new URL(request.url).pathname, { status });
  });
  try {
    const url = `http://127.0.0.1:${server.addr.port}/health/ready`;
    await assert.rejects(isHttpReady(url), /\/health\/ready answers 503/);
    status = 200;
    assert.equal(await isHttpReady(url), true);
  } finally {
    await server.shutdown();
  }
});

Deno.test("isHttpReady() rejects what is not HTTP and what closes at once", async () => {
  for (const answer of ["+PONG\r\n", ""]) {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const serving = (async () => {
      const connection = await listener.accept();
      await connection.read(new Uint8Array(1024));
      await connection.write(new TextEncoder().encode(answer));
      connection.close();
    })();
    await assert.rejects(isHttpReady(`http://127.0.0.1:${listener.addr.port}/`), /not HTTP/);
    await serving;
    listener.close();
  }
});
