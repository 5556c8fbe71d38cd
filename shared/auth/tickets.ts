/**
 * One-use tickets for WebSockets: a browser cannot set headers there, and a long-lived token in a
 * URL ends in logs. The gateway makes them; tracker and ingest consume them.
 */
import { z } from "zod";
import type { Redis } from "shared/redis/connect.ts";
import type { RedisKeys } from "shared/redis/keys.ts";
import { createToken, hashToken, hexOf } from "./token.ts";

export const TICKET_TTL_S = 30;

const ticket = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("track"),
    orderId: z.uuid(),
    /** Set for a courier: the track is open to it only while it has the order. */
    courierId: z.uuid().optional(),
    /** The session or key it was asked with: the connection ends with it. */
    credentialId: z.uuid().optional(),
  }),
  z.object({
    kind: z.literal("courier_channel"),
    courierId: z.uuid(),
    credentialId: z.uuid().optional(),
  }),
  z.object({
    kind: z.literal("courier_positions"),
    courierId: z.uuid(),
    credentialId: z.uuid(),
  }),
]);

/** What the ticket opens. */
export type Ticket = z.infer<typeof ticket>;

/** Makes a ticket that opens one thing, once, within 30 s. */
export async function createTicket(redis: Redis, keys: RedisKeys, grant: Ticket): Promise<string> {
  const secret = createToken();
  const key = keys.ticket(hexOf(await hashToken(secret)));
  await redis.set(key, JSON.stringify(grant), "EX", TICKET_TTL_S);
  return secret;
}

/** Consumes a ticket; undefined when it is unknown, used or expired. */
export async function consumeTicket(
  redis: Redis,
  keys: RedisKeys,
  secret: string,
): Promise<Ticket | undefined> {
  const stored = await redis.getdel(keys.ticket(hexOf(await hashToken(secret))));
  return stored === null ? undefined : ticket.parse(JSON.parse(stored));
}
