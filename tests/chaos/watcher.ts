/**
 * Somebody who looks at an order's track from the first moment to the last, over WebSocket.
 *
 * Contract: one connection at a time. Whenever one ends before the order does, the next resumes
 * where it stopped. Now and then it drops the connection itself: that too must leave no gap.
 */
import { pause } from "shared/clock/timeout.ts";
import type { Frame } from "../harness/track_viewer.ts";
import type { PlacedOrder } from "./customers.ts";

const RECONNECT_MS = 400;
const TICKET_TIMEOUT_MS = 4_000;
/** Between two drops of a watcher's own. */
const DROP_AFTER_MS = 5_000;
const TERMINAL: ReadonlySet<unknown> = new Set([
  "delivered",
  "cancelled",
  "returned",
  "failed",
  "expired",
]);

/** What one connection brought. */
export interface Connection {
  /** `epoch:seq` that was asked for; undefined for a first look. */
  readonly since: string | undefined;
  readonly frames: Frame[];
}

/** One watcher of one order. */
export class TrackWatcher {
  readonly orderId: string;
  readonly connections: Connection[] = [];
  readonly #order: PlacedOrder;
  readonly #apiUrl: string;
  readonly #random: (() => number) | undefined;
  readonly #stop = new AbortController();
  readonly #watching: Promise<void>;
  #cursor: string | undefined;
  #ended: string | undefined;

  /** @param random when to drop a connection; never where it is absent. */
  constructor(order: PlacedOrder, apiUrl: string, random: (() => number) | undefined) {
    this.orderId = order.id;
    this.#order = order;
    this.#apiUrl = apiUrl;
    this.#random = random;
    this.#watching = this.#watch();
  }

  /** The terminal status it has seen; undefined before. */
  get ended(): string | undefined {
    return this.#ended;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#watching;
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stop;
    while (this.#ended === undefined && !signal.aborted) {
      try {
        await this.#connect(await this.#trackUrl());
      } catch {
        // Services are killed on purpose here; the checker asks what was seen in the end.
      }
      if (this.#ended === undefined) await pause(RECONNECT_MS, signal);
    }
  }

  async #trackUrl(): Promise<string> {
    const { id, trackingToken } = this.#order;
    const response = await fetch(`${this.#apiUrl}/api/v1/orders/${id}/track-tickets`, {
      method: "POST",
      headers: { "x-tracking-token": trackingToken },
      signal: AbortSignal.any([this.#stop.signal, AbortSignal.timeout(TICKET_TIMEOUT_MS)]),
    });
    const { webSocketUrl } = await response.json() as { webSocketUrl?: string };
    if (webSocketUrl === undefined) throw new Error(`no ticket: ${response.status}`);
    return webSocketUrl;
  }

  /** Resolves when the connection has ended. */
  #connect(url: string): Promise<void> {
    const since = this.#cursor;
    const connection: Connection = { since, frames: [] };
    this.connections.push(connection);
    const socket = new WebSocket(since === undefined ? url : `${url}&since=${since}`);
    const close = () => socket.close();
    this.#stop.signal.addEventListener("abort", close, { once: true });
    const random = this.#random;
    const drop = random && setTimeout(close, DROP_AFTER_MS * (0.5 + random()));
    return new Promise((resolve) => {
      socket.onmessage = ({ data }) => this.#note(connection, JSON.parse(String(data)) as Frame);
      // A close always follows an error.
      socket.onerror = () => {};
      socket.onclose = () => {
        clearTimeout(drop);
        this.#stop.signal.removeEventListener("abort", close);
        resolve();
      };
    });
  }

  #note(connection: Connection, frame: Frame): void {
    connection.frames.push(frame);
    if (frame.epoch !== undefined) this.#cursor = `${frame.epoch}:${frame.seq}`;
    const order = frame["order"] as { readonly status?: string } | undefined;
    const status = frame["status"] ?? order?.status;
    if (TERMINAL.has(status)) this.#ended = String(status);
  }
}
