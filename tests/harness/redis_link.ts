/**
 * A wire between one client and the shared Redis of the run, which a test can cut or let go silent
 * without disturbing the other test files on the same server.
 */

interface Pair {
  readonly client: Deno.TcpConn;
  readonly server: Deno.TcpConn;
  isFrozen: boolean;
}

/** A loopback address that forwards to Redis. */
export class RedisLink implements AsyncDisposable {
  readonly url: string;
  readonly #target: URL;
  readonly #listener: Deno.TcpListener;
  readonly #pairs = new Set<Pair>();
  readonly #work: Promise<void>[] = [];
  #isCut = false;

  constructor(redisUrl: string) {
    this.#target = new URL(redisUrl);
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const url = new URL(redisUrl);
    url.hostname = "127.0.0.1";
    url.port = String(this.#listener.addr.port);
    this.url = url.href;
    this.#work.push(this.#accept());
  }

  /** How many connections are open now. */
  get connections(): number {
    return this.#pairs.size;
  }

  /** Closes all connections and every new one, until `restore`: Redis is away. */
  cut(): void {
    this.#isCut = true;
    for (const pair of this.#pairs) this.#end(pair);
  }

  restore(): void {
    this.#isCut = false;
  }

  /** Swallows everything on the connections open now; new ones work: a half-open TCP connection. */
  freeze(): void {
    for (const pair of this.#pairs) pair.isFrozen = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#listener.close();
    await Promise.all(this.#work);
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) {
      if (this.#isCut) client.close();
      else this.#work.push(this.#serve(client));
    }
  }

  async #serve(client: Deno.TcpConn): Promise<void> {
    const server = await Deno.connect({
      hostname: this.#target.hostname,
      port: Number(this.#target.port),
    });
    const pair: Pair = { client, server, isFrozen: false };
    this.#pairs.add(pair);
    await Promise.all([this.#forward(pair, client, server), this.#forward(pair, server, client)]);
  }

  async #forward(pair: Pair, from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
    const buffer = new Uint8Array(64 * 1024);
    try {
      for (let read = await from.read(buffer); read !== null; read = await from.read(buffer)) {
        if (!pair.isFrozen) await writeAll(to, buffer.subarray(0, read));
      }
    } catch {
      // A connection that was closed under the read or write is what this class is for.
    }
    this.#end(pair);
  }

  #end(pair: Pair): void {
    if (!this.#pairs.delete(pair)) return;
    pair.client.close();
    pair.server.close();
  }
}

async function writeAll(to: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await to.write(bytes.subarray(sent));
}
