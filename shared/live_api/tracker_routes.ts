import { z } from "zod";
import { ROLES } from "shared/auth/principal.ts";
import type { LiveParameter, ServiceRoute } from "./service_route.ts";

export const TRACK_PATH = "/api/v1/orders/{id}/track";
export const CHANNEL_PATH = "/api/v1/courier/channel";

const AUTH = ["auth.required", "auth.forbidden", "auth.scope_missing", "ticket.invalid"] as const;

const TICKET: LiveParameter = {
  name: "ticket",
  in: "query",
  description: "A one-use ticket, where no header can be sent",
  schema: z.string().optional(),
};

/** What the tracker answers to. */
export const TRACKER_ROUTES: readonly ServiceRoute[] = [
  {
    method: "GET",
    path: TRACK_PATH,
    operationId: "followOrder",
    summary: "Follow an order live, as an event stream or over a WebSocket",
    description:
      "Begins with a `snapshot`, or with `resumed` and what was missed where it can go " +
      "on after `since`; `reset` is a snapshot in place of what is gone. The numbers of frames " +
      "grow by one. It ends when the order does; on any other end come back with the last " +
      "`<epoch>:<seq>`.",
    tag: "tracking",
    credentials: ["session", "apiKey", "trackingLink", "ticket"],
    roles: ROLES,
    scope: "orders:read",
    parameters: [
      { name: "id", in: "path", description: "Id of the order", schema: z.uuid() },
      TICKET,
      {
        name: "since",
        in: "query",
        description: "`<epoch>:<seq>` of the last frame seen",
        schema: z.string().optional(),
      },
      {
        name: "Last-Event-ID",
        in: "header",
        description: "The same as event streams send it; it counts before `since`",
        schema: z.string().optional(),
      },
    ],
    answers: {
      101: {
        description: "The WebSocket is open; each message is one frame",
        content: { "application/json": "TrackFrame" },
      },
      200: {
        description: "Events, each with one frame as its data",
        content: { "text/event-stream": "TrackFrame" },
      },
    },
    problems: [...AUTH, "order.not_found"],
  },
  {
    method: "GET",
    path: CHANNEL_PATH,
    operationId: "openCourierChannel",
    summary: "Open the courier's channel as a WebSocket",
    description: "Begins with the offers that wait; then offers, assignments and states of the " +
      "courier's own orders as they happen. Messages are hints: whoever was away asks again.",
    tag: "tracking",
    credentials: ["session", "apiKey", "ticket"],
    roles: ["courier"],
    scope: "couriers:read",
    parameters: [TICKET],
    answers: {
      101: {
        description: "The WebSocket is open; each message is one of these",
        content: { "application/json": "ChannelMessage" },
      },
    },
    problems: [...AUTH, "request.invalid"],
  },
];
