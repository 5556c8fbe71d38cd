/**
 * Listens on every courier's own channel, beside the couriers' apps, to see where an offer really
 * arrives. A channel that breaks (services are killed on purpose) is opened again; its first frame
 * holds the offers that wait, so an offer made meanwhile is heard too.
 */
import { createSession } from "shared/auth/sessions.ts";
import { pause } from "shared/clock/timeout.ts";
import type { Sql } from "shared/sql/connect.ts";

const RECONNECT_MS = 250;

/** An offer heard on a channel. */
export interface HeardOffer {
  readonly courierId: string;
  readonly orderId: string;
  readonly offerId: string;
}

/** Open channels of all couriers. */
export class CourierEars {
  readonly heard: HeardOffer[] = [];
  readonly #closing = new AbortController();
  readonly #waiting = new Map<string, (offer: HeardOffer) => void>();
  readonly #apiUrl: string;

  constructor(apiUrl: string) {
    this.#apiUrl = apiUrl;
  }

  /** Opens the channel of every courier; resolves when all have sent their first frame. */
  async open(sql: Sql): Promise<void> {
    const couriers = await sql<{ id: string }[]>`select id from couriers order by id`;
    await Promise.all(couriers.map(async ({ id }) => {
      const { token } = await createSession(sql, id);
      await new Promise<void>((resolve) => {
        // Ends when closed; every failure inside is one more try.
        void this.#listen(id, token, resolve);
      });
    }));
  }

  /** Resolves with the first offer for the order, on whichever channel. */
  offerOf(orderId: string): Promise<HeardOffer> {
    const early = this.heard.find((offer) => offer.orderId === orderId);
    if (early !== undefined) return Promise.resolve(early);
    return new Promise((resolve) => this.#waiting.set(orderId, resolve));
  }

  close(): void {
    this.#closing.abort();
  }

  async #listen(courierId: string, token: string, onFirst: () => void): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const url = await this.#ticketUrl(token);
      if (url !== undefined) await this.#readChannel(url, courierId, onFirst);
      await pause(RECONNECT_MS, signal);
    }
  }

  async #ticketUrl(token: string): Promise<string | undefined> {
    try {
      const response = await fetch(`${this.#apiUrl}/api/v1/courier/channel-tickets`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}` },
      });
      const body = await response.json() as { webSocketUrl?: string };
      return body.webSocketUrl;
    } catch {
      return undefined; // The gateway is away; the caller asks again.
    }
  }

  /** Resolves when the channel has closed. */
  #readChannel(url: string, courierId: string, onFirst: () => void): Promise<void> {
    return new Promise((resolve) => {
      const socket = new WebSocket(url);
      const close = () => socket.close();
      this.#closing.signal.addEventListener("abort", close, { once: true });
      socket.onmessage = (message) => {
        this.#hear(courierId, String(message.data));
        onFirst();
      };
      // A close always follows an error.
      socket.onerror = () => {};
      socket.onclose = () => {
        this.#closing.signal.removeEventListener("abort", close);
        resolve();
      };
    });
  }

  #hear(courierId: string, text: string): void {
    const frame = JSON.parse(text) as {
      readonly type: string;
      readonly offers?: readonly { id: string; orderId: string }[];
      readonly offer?: { id: string; orderId: string };
    };
    const offers = frame.type === "offer.made" && frame.offer ? [frame.offer] : frame.offers ?? [];
    for (const { id, orderId } of offers) {
      const offer = { courierId, orderId, offerId: id };
      this.heard.push(offer);
      this.#waiting.get(orderId)?.(offer);
    }
  }
}
