/**
 * A TCP wire on the loopback interface that a test can disturb: between a service and a store, or
 * between a client and a service. In place of netem, which needs rights a test should not have.
 *
 * Concurrency contract. Each connection has one pump per direction; a pump handles one chunk at a
 * time, so bytes are never reordered, whatever the delay. Faults are read per chunk, so that they
 * act on open connections too. A lost reply is decided in the pump that sees the text, before the
 * chunk is passed on: no reply to it can slip through. Ending a pair is idempotent.
 */
import { pause } from "shared/clock/timeout.ts";

export type Direction = "toTarget" | "toClient";

interface Pair {
  readonly client: Deno.TcpConn;
  readonly target: Deno.TcpConn;
  /** Directions in which everything is swallowed from now on. */
  readonly swallowed: Set<Direction>;
  /** The reply to come is swallowed, and the connection reset when it is there. */
  isReplyDoomed: boolean;
}

/** Where a wire may lead. */
export interface Target {
  readonly hostname: string;
  readonly port: number;
}

/** Loses the reply to a request that contains a text, this often. */
export interface ReplyLoss {
  readonly text: string;
  readonly times: number;
}

const CHUNK_BYTES = 64 * 1024;
const LOOPBACK = "127.0.0.1";

/** One wire to one target. */
export class FaultProxy implements AsyncDisposable {
  readonly port: number;
  readonly #targets: () => readonly Target[];
  readonly #listener: Deno.TcpListener;
  readonly #pairs = new Set<Pair>();
  readonly #pumps = new Set<Promise<void>>();
  readonly #random: () => number;
  readonly #stop = new AbortController();
  #delay: { readonly delayMs: number; readonly jitterMs: number } = { delayMs: 0, jitterMs: 0 };
  #isRefusing = false;
  #loss: { pattern: Uint8Array; left: number } | undefined;
  #repliesLost = 0;

  /**
   * @param target where it leads; a function is asked for each connection, and those that it names
   *   are tried in turn, as a load balancer does.
   * @param random for jitter, 0 to 1; seed it to repeat a run.
   */
  constructor(
    target: Target | (() => readonly Target[]),
    random: () => number = Math.random,
  ) {
    this.#targets = typeof target === "function" ? target : () => [target];
    this.#random = random;
    this.#listener = Deno.listen({ hostname: LOOPBACK, port: 0 });
    this.port = this.#listener.addr.port;
    this.#keep(this.#accept());
  }

  /** How many connections are open now. */
  get connections(): number {
    return this.#pairs.size;
  }

  /** How many open connections swallow something: those that nobody has given up yet. */
  get halfOpen(): number {
    return [...this.#pairs].filter((pair) => pair.swallowed.size > 0).length;
  }

  /** How many replies `loseReplies` has lost so far. */
  get repliesLost(): number {
    return this.#repliesLost;
  }

  /** From now on every chunk in either direction takes this much longer. */
  slow(delayMs: number, jitterMs = 0): void {
    this.#delay = { delayMs, jitterMs };
  }

  /** Swallows one direction of the connections open now, or both: half-open TCP. New ones work. */
  cut(...directions: readonly Direction[]): void {
    for (const pair of this.#pairs) {
      for (const direction of directions) pair.swallowed.add(direction);
    }
  }

  /** Resets every open connection; new ones work. */
  reset(): void {
    for (const pair of [...this.#pairs]) this.#end(pair);
  }

  /** Resets every open connection and closes new ones at once, until `heal`. */
  refuse(): void {
    this.#isRefusing = true;
    this.reset();
  }

  /**
   * The target gets a request with this text and answers it; the client gets a reset in place of
   * the answer: the outcome is unknown to it.
   */
  loseReplies(loss: ReplyLoss): void {
    this.#loss = { pattern: new TextEncoder().encode(loss.text), left: loss.times };
  }

  /** Ends every fault. Connections that lost bytes are reset: they could only confuse. */
  heal(): void {
    this.#isRefusing = false;
    this.#loss = undefined;
    this.#delay = { delayMs: 0, jitterMs: 0 };
    for (const pair of [...this.#pairs]) if (pair.swallowed.size > 0) this.#end(pair);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isRefusing = true;
    this.#stop.abort();
    this.#listener.close();
    this.reset();
    await Promise.all(this.#pumps);
  }

  #keep(work: Promise<void>): void {
    this.#pumps.add(work);
    work.finally(() => this.#pumps.delete(work));
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) {
      if (this.#isRefusing) client.close();
      else this.#keep(this.#serve(client));
    }
  }

  async #serve(client: Deno.TcpConn): Promise<void> {
    const target = await this.#connect();
    if (target === undefined) {
      // The target is away: its client sees what it would see without the proxy, nearly.
      client.close();
      return;
    }
    if (this.#isRefusing) {
      client.close();
      target.close();
      return;
    }
    client.setNoDelay(true);
    target.setNoDelay(true);
    const pair: Pair = { client, target, swallowed: new Set(), isReplyDoomed: false };
    this.#pairs.add(pair);
    await Promise.all([this.#pump(pair, "toTarget"), this.#pump(pair, "toClient")]);
  }

  async #connect(): Promise<Deno.TcpConn | undefined> {
    for (const target of this.#targets()) {
      try {
        return await Deno.connect(target);
      } catch {
        // The next one, where there is one.
      }
    }
    return undefined;
  }

  async #pump(pair: Pair, direction: Direction): Promise<void> {
    const [from, to] = direction === "toTarget"
      ? [pair.client, pair.target]
      : [pair.target, pair.client];
    const buffer = new Uint8Array(CHUNK_BYTES);
    try {
      for (let read = await from.read(buffer); read !== null; read = await from.read(buffer)) {
        const { delayMs, jitterMs } = this.#delay;
        const waitMs = delayMs + jitterMs * this.#random();
        if (waitMs > 0) await pause(waitMs, this.#stop.signal);
        const bytes = buffer.subarray(0, read);
        if (direction === "toTarget") this.#look(pair, bytes);
        else if (pair.isReplyDoomed) break;
        if (!pair.swallowed.has(direction)) await writeAll(to, bytes);
      }
    } catch {
      // A connection closed under the read or the write: one of the faults, or the other side.
    }
    this.#end(pair);
  }

  #look(pair: Pair, bytes: Uint8Array): void {
    const loss = this.#loss;
    if (loss === undefined || loss.left === 0 || !includes(bytes, loss.pattern)) return;
    loss.left--;
    this.#repliesLost++;
    pair.isReplyDoomed = true;
  }

  #end(pair: Pair): void {
    if (!this.#pairs.delete(pair)) return;
    pair.client.close();
    pair.target.close();
  }
}

/** The URL with host and port of the proxy in place of its own. */
export function through(proxy: FaultProxy, url: string): string {
  const changed = new URL(url);
  changed.hostname = LOOPBACK;
  changed.port = String(proxy.port);
  return changed.href;
}

async function writeAll(to: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await to.write(bytes.subarray(sent));
}

/** Whether a text stands in one chunk; a request of ours is sent in one write. */
function includes(bytes: Uint8Array, pattern: Uint8Array): boolean {
  const last = bytes.length - pattern.length;
  for (let start = 0; start <= last; start++) {
    let length = 0;
    while (length < pattern.length && bytes[start + length] === pattern[length]) length++;
    if (length === pattern.length) return true;
  }
  return false;
}
