/**
 * Who connects: by a one-use ticket, by the secret of a tracking link, or by a session, an access
 * token or an API key in a header. Whoever has none of them learns nothing.
 */
import type { Credentials } from "shared/auth/credentials.ts";
import { credentialId, type Principal } from "shared/auth/principal.ts";
import type { Scope } from "shared/auth/scopes.ts";
import { bearerToken } from "shared/auth/sessions.ts";
import { consumeTicket } from "shared/auth/tickets.ts";
import { hashToken, sameBytes } from "shared/auth/token.ts";
import { isUuid } from "shared/ids/uuid.ts";
import { ProblemError } from "shared/problem/problem.ts";
import type { Redis } from "shared/redis/connect.ts";
import type { RedisKeys } from "shared/redis/keys.ts";
import type { Sql } from "shared/sql/connect.ts";
import { type OrderForTrack, readOrderForTrack } from "./snapshot.ts";

export interface ViewerDeps {
  readonly sql: Sql;
  readonly redis: Redis;
  readonly keys: RedisKeys;
  readonly credentials: Pick<Credentials, "find">;
}

/** Somebody who may follow an order's track. */
export interface TrackViewer extends OrderForTrack {
  /** Set for a courier: the track is open to it only while it has the order. */
  readonly courierId?: string | undefined;
  /** The session or key that the connection stands on; a tracking link has none. */
  readonly credentialId?: string | undefined;
}

/** @throws ProblemError for anybody who may not see the order. */
export async function requireTrackViewer(
  deps: ViewerDeps,
  request: Request,
  query: URLSearchParams,
  orderId: string,
): Promise<TrackViewer> {
  const link = request.headers.get("x-tracking-token");
  const authorization = request.headers.get("authorization");
  const principal = link === null && authorization !== null
    ? await requirePrincipal(deps, authorization, "orders:read")
    : undefined;
  const found = isUuid(orderId) ? await readOrderForTrack(deps.sql, orderId) : undefined;
  if (link !== null) return byLink(found, await hashToken(link));
  if (principal !== undefined) return byPrincipal(found, principal);
  const secret = query.get("ticket");
  if (secret === null) throw new ProblemError("auth.required");
  const ticket = await consumeTicket(deps.redis, deps.keys, secret);
  if (ticket?.kind !== "track" || ticket.orderId !== orderId || found === undefined) {
    throw new ProblemError("ticket.invalid");
  }
  return { ...found, courierId: ticket.courierId, credentialId: ticket.credentialId };
}

/** A courier who may listen to its channel. @throws ProblemError for anybody else. */
export async function requireChannelCourier(
  deps: ViewerDeps,
  request: Request,
  query: URLSearchParams,
): Promise<{ courierId: string; credentialId?: string | undefined }> {
  const authorization = request.headers.get("authorization");
  if (authorization !== null) {
    const principal = await requirePrincipal(deps, authorization, "couriers:read");
    const { accountId, role, credential } = principal;
    if (role !== "courier") {
      throw new ProblemError("auth.forbidden", {
        detail: `Cannot connect: role must be courier: it is ${role}`,
      });
    }
    return { courierId: accountId, credentialId: credentialId(credential) };
  }
  const secret = query.get("ticket");
  if (secret === null) throw new ProblemError("auth.required");
  const ticket = await consumeTicket(deps.redis, deps.keys, secret);
  if (ticket?.kind !== "courier_channel") throw new ProblemError("ticket.invalid");
  return { courierId: ticket.courierId, credentialId: ticket.credentialId };
}

async function requirePrincipal(
  deps: ViewerDeps,
  authorization: string,
  scope: Scope,
): Promise<Principal> {
  const token = bearerToken(authorization);
  const principal = token === undefined ? undefined : await deps.credentials.find(token);
  if (principal === undefined) throw new ProblemError("auth.required");
  const { credential } = principal;
  if (credential.kind === "api_key" && !credential.scopes.includes(scope)) {
    throw new ProblemError("auth.scope_missing", {
      detail: `Cannot connect: the key's scopes must include ${scope}: they are ${
        credential.scopes.join(", ")
      }`,
    });
  }
  return principal;
}

function byLink(found: OrderForTrack | undefined, hash: Uint8Array): TrackViewer {
  if (found === undefined || !sameBytes(hash, found.trackingTokenHash)) {
    throw new ProblemError("order.not_found");
  }
  return found;
}

function byPrincipal(found: OrderForTrack | undefined, principal: Principal): TrackViewer {
  if (found === undefined || !isParty(found, principal)) throw new ProblemError("order.not_found");
  const { accountId, role, credential } = principal;
  return {
    ...found,
    credentialId: credentialId(credential),
    ...(role === "courier" ? { courierId: accountId } : {}),
  };
}

function isParty({ parties }: OrderForTrack, { accountId, role }: Principal): boolean {
  switch (role) {
    case "customer":
      return parties.customerId === accountId;
    case "merchant":
      return parties.customerId === accountId || parties.merchantAccountId === accountId;
    case "courier":
      return parties.courierId === accountId;
    case "dispatcher":
    case "admin":
      return true;
  }
}
