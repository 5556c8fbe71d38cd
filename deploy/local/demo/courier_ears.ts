/**
 * Listens on every courier's own channel, beside the couriers' apps, to see where an offer really
 * arrives.
 */
import { createSession } from "shared/auth/sessions.ts";
import type { Sql } from "shared/sql/connect.ts";

/** An offer heard on a channel. */
export interface HeardOffer {
  readonly courierId: string;
  readonly orderId: string;
  readonly offerId: string;
}

/** Open channels of all couriers. */
export interface CourierEars {
  readonly heard: readonly HeardOffer[];
  /** Resolves with the first offer for the order, on whichever channel. */
  offerOf(orderId: string): Promise<HeardOffer>;
  close(): void;
}

/** Opens the channel of every courier; resolves when all have sent their first frame. */
export async function openCourierEars(sql: Sql, apiUrl: string): Promise<CourierEars> {
  const couriers = await sql<{ id: string }[]>`select id from couriers order by id`;
  const heard: HeardOffer[] = [];
  const waiting = new Map<string, (offer: HeardOffer) => void>();
  const hear = (offer: HeardOffer) => {
    heard.push(offer);
    waiting.get(offer.orderId)?.(offer);
  };
  const sockets = await Promise.all(couriers.map(async ({ id }) => {
    const { token } = await createSession(sql, id);
    return await openChannel(apiUrl, token, id, hear);
  }));
  return {
    heard,
    offerOf: (orderId) => {
      const early = heard.find((offer) => offer.orderId === orderId);
      if (early !== undefined) return Promise.resolve(early);
      return new Promise((resolve) => waiting.set(orderId, resolve));
    },
    close: () => {
      for (const socket of sockets) socket.close();
    },
  };
}

async function openChannel(
  apiUrl: string,
  token: string,
  courierId: string,
  hear: (offer: HeardOffer) => void,
): Promise<WebSocket> {
  const response = await fetch(`${apiUrl}/api/v1/courier/channel-tickets`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
  });
  if (!response.ok) throw new Error(`no channel ticket: ${response.status}`);
  const { webSocketUrl } = await response.json() as { webSocketUrl: string };
  const socket = new WebSocket(webSocketUrl);
  await new Promise<void>((resolve, reject) => {
    socket.onmessage = (message) => {
      const frame = JSON.parse(String(message.data)) as {
        type: string;
        offers?: { id: string; orderId: string }[];
        offer?: { id: string; orderId: string };
      };
      const offers = frame.type === "offer.made" && frame.offer
        ? [frame.offer]
        : frame.offers ?? [];
      for (const { id, orderId } of offers) hear({ courierId, orderId, offerId: id });
      resolve();
    };
    socket.onclose = () => reject(new Error("a courier's channel closed before its first frame"));
    socket.onerror = () => {};
  });
  return socket;
}
