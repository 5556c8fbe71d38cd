import assert from "node:assert/strict";
import { redisConfig, useGivenRedis } from "./redis_server.ts";
import { freePort } from "./ports.ts";

Deno.test("redisConfig() listens on loopback only, loses nothing and quotes odd folders", () => {
  const text = redisConfig({ folder: '/a "b"\\c', port: 7001, password: "abc", durable: true });
  assert.equal(
    text,
    [
      "bind 127.0.0.1",
      "port 7001",
      'requirepass "abc"',
      'dir "/a \\"b\\"\\\\c"',
      'pidfile "/a \\"b\\"\\\\c/redis.pid"',
      "daemonize no",
      'save ""',
      "appendonly yes",
      "appendfsync everysec",
      "auto-aof-rewrite-min-size 256mb",
      "maxmemory-policy noeviction",
      "",
    ].join("\n"),
  );
  const settings = { folder: "/x", port: 1, password: "p", durable: false };
  assert.match(redisConfig(settings), /^appendonly no$/m);
});

Deno.test("useGivenRedis() names the variable and hides the password of a URL that is not one", async () => {
  await assert.rejects(
    useGivenRedis("http://user:secret@host/", () => {}),
    (error: Error) =>
      /^REDIS_URL must look like redis:/.test(error.message) && !/secret/.test(error.message),
  );
});

Deno.test("useGivenRedis() says in one sentence that nothing answers", async () => {
  const port = freePort();
  await assert.rejects(
    useGivenRedis(`redis://:secret@127.0.0.1:${port}`, () => {}),
    (error: Error) =>
      /^Cannot use the Redis of REDIS_URL, redis:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED.*\.$/.test(
        error.message,
      ) && !/secret/.test(error.message),
  );
});

/** Answers every command as a Redis that tells only its version. */
async function fakeRedis(version: string): Promise<{ url: string; stop: () => Promise<void> }> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving: Promise<void>[] = [];
  const accepting = (async () => {
    for await (const connection of listener) serving.push(answer(connection, version));
  })();
  const url = `redis://127.0.0.1:${listener.addr.port}`;
  const stop = async () => {
    listener.close();
    await accepting;
    await Promise.all(serving);
  };
  return await Promise.resolve({ url, stop });
}

async function answer(connection: Deno.Conn, version: string): Promise<void> {
  const info = `redis_version:${version}\r\nmaxmemory_policy:noeviction\r\n`;
  const buffer = new Uint8Array(4_096);
  while (true) {
    const count = await connection.read(buffer);
    if (count === null) break;
    const commands = new TextDecoder().decode(buffer.subarray(0, count)).split(/\*\d+\r\n/).slice(
      1,
    );
    const replies = commands.map((command) =>
      /info/i.test(command) ? `$${info.length}\r\n${info}\r\n` : "+PONG\r\n"
    );
    await connection.write(new TextEncoder().encode(replies.join("")));
  }
  connection.close();
}

Deno.test("useGivenRedis() refuses a version that is too old, naming both versions", async () => {
  const fake = await fakeRedis("6.2.14");
  try {
    await assert.rejects(
      useGivenRedis(fake.url, () => {}),
      /Redis 6\.2\.14 \(redis:\/\/127\.0\.0\.1:\d+\) is too old: 7\.0 or newer is needed\./,
    );
  } finally {
    await fake.stop();
  }
});

Deno.test("useGivenRedis() takes a version that is new enough and starts nothing", async () => {
  const fake = await fakeRedis("8.2.1");
  try {
    const lines: string[] = [];
    const server = await useGivenRedis(fake.url, (line) => lines.push(line));
    assert.equal(server.version, "8.2.1");
    assert.equal(server.process, undefined);
    assert.deepEqual(lines, [`Redis 8.2.1 at ${fake.url} (REDIS_URL)`]);
  } finally {
    await fake.stop();
  }
});
