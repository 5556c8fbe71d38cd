import assert from "node:assert/strict";
import { eventually } from "../harness/eventually.ts";
import { FaultProxy } from "./fault_proxy.ts";

/** A server that answers each chunk with `echo <chunk>` and remembers what it got. */
class EchoServer implements AsyncDisposable {
  readonly heard: string[] = [];
  readonly port: number;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #work: Promise<void>[] = [];

  constructor() {
    this.port = this.#listener.addr.port;
    this.#work.push(this.#accept());
  }

  async #accept(): Promise<void> {
    for await (const connection of this.#listener) this.#work.push(this.#serve(connection));
  }

  async #serve(connection: Deno.TcpConn): Promise<void> {
    const buffer = new Uint8Array(1024);
    try {
      for (
        let read = await connection.read(buffer);
        read !== null;
        read = await connection.read(buffer)
      ) {
        const text = new TextDecoder().decode(buffer.subarray(0, read));
        this.heard.push(text);
        await connection.write(new TextEncoder().encode(`echo ${text}`));
      }
    } catch {
      // Reset by the proxy, as asked.
    }
    connection.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await Promise.all(this.#work);
  }
}

/** A client that reads all the time. */
class Client implements AsyncDisposable {
  received = "";
  isEnded = false;
  readonly #reading: Promise<void>;

  private constructor(readonly connection: Deno.TcpConn) {
    this.#reading = this.#read();
  }

  static async open(port: number): Promise<Client> {
    return new Client(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  async send(text: string): Promise<void> {
    await this.connection.write(new TextEncoder().encode(text));
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(1024);
    try {
      for (
        let read = await this.connection.read(buffer);
        read !== null;
        read = await this.connection.read(buffer)
      ) this.received += new TextDecoder().decode(buffer.subarray(0, read));
    } catch {
      // Reset: what some tests wait for.
    }
    this.isEnded = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.connection.close();
    await this.#reading;
  }
}

async function withWire(
  use: (wire: { server: EchoServer; proxy: FaultProxy; client: Client }) => Promise<void>,
): Promise<void> {
  await using server = new EchoServer();
  await using proxy = new FaultProxy({ hostname: "127.0.0.1", port: server.port }, () => 0.5);
  await using client = await Client.open(proxy.port);
  await client.send("one");
  await eventually("the first answer came", () => client.received === "echo one");
  await use({ server, proxy, client });
}

Deno.test("FaultProxy passes bytes both ways", async () => {
  await withWire(async ({ server, proxy, client }) => {
    await client.send("two");
    await eventually("the answer came", () => client.received === "echo oneecho two");
    assert.deepEqual(server.heard, ["one", "two"]);
    assert.equal(proxy.connections, 1);
  });
});

Deno.test("FaultProxy.slow() delays every chunk by delay and jitter", async () => {
  await withWire(async ({ proxy, client }) => {
    proxy.slow(40, 20);
    const sentAtMs = performance.now();
    await client.send("two");
    await eventually("the answer came", () => client.received === "echo oneecho two");
    // 40 ms and half of the jitter, in each direction.
    assert.ok(performance.now() - sentAtMs >= 99, `${performance.now() - sentAtMs} ms`);
  });
});

Deno.test("FaultProxy.cut() swallows answers while requests still arrive", async () => {
  await withWire(async ({ server, proxy, client }) => {
    proxy.cut("toClient");
    await client.send("two");
    await eventually("the request arrived", () => server.heard.length === 2);
    await using other = await Client.open(proxy.port);
    await other.send("three");
    await eventually("a new connection works", () => other.received === "echo three");
    assert.equal(client.received, "echo one");
    assert.equal(client.isEnded, false);
  });
});

Deno.test("FaultProxy.cut() swallows requests while the connection seems open", async () => {
  await withWire(async ({ server, proxy, client }) => {
    proxy.cut("toTarget");
    await client.send("two");
    await using other = await Client.open(proxy.port);
    await other.send("three");
    await eventually("a new connection works", () => other.received === "echo three");
    assert.deepEqual(server.heard, ["one", "three"]);
    assert.equal(client.isEnded, false);
    assert.equal(proxy.halfOpen, 1);
    proxy.heal();
    await eventually("the cut connection is reset", () => client.isEnded);
  });
});

Deno.test("FaultProxy.reset() ends open connections and lets new ones in", async () => {
  await withWire(async ({ proxy, client }) => {
    proxy.reset();
    await eventually("the connection ended", () => client.isEnded);
    await using other = await Client.open(proxy.port);
    await other.send("two");
    await eventually("a new connection works", () => other.received === "echo two");
  });
});

Deno.test("FaultProxy.refuse() closes new connections until heal()", async () => {
  await withWire(async ({ proxy, client }) => {
    proxy.refuse();
    await eventually("the connection ended", () => client.isEnded);
    {
      await using refused = await Client.open(proxy.port);
      await eventually("the new one ended", () => refused.isEnded);
    }
    proxy.heal();
    await using other = await Client.open(proxy.port);
    await other.send("two");
    await eventually("a new connection works", () => other.received === "echo two");
  });
});

Deno.test("FaultProxy.loseReplies() lets the request arrive and resets in place of the reply", async () => {
  await withWire(async ({ server, proxy, client }) => {
    proxy.loseReplies({ text: "commit", times: 1 });
    await client.send("begin");
    await eventually("other requests are answered", () => client.received === "echo oneecho begin");
    await client.send("a commit;");
    await eventually("the connection ended", () => client.isEnded);
    assert.deepEqual(server.heard, ["one", "begin", "a commit;"]);
    assert.equal(client.received, "echo oneecho begin");
    assert.equal(proxy.repliesLost, 1);
    await using other = await Client.open(proxy.port);
    await other.send("commit");
    await eventually("only once", () => other.received === "echo commit");
  });
});

Deno.test("FaultProxy closes a connection whose target is away", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  await using proxy = new FaultProxy({ hostname: "127.0.0.1", port });
  await using client = await Client.open(proxy.port);
  await eventually("the connection ended", () => client.isEnded);
});
