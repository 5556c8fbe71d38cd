/**
 * What ingest and the tracker answer to, as data: each dispatches by its own list, and the gateway
 * puts both into the one OpenAPI document. So what is documented is what is served.
 */
import type { Role } from "shared/auth/principal.ts";
import type { Scope } from "shared/auth/scopes.ts";
import type { ProblemCode } from "shared/problem/problem.ts";
import type { z } from "zod";

export const LIVE_SERVICES = ["ingest", "tracker"] as const;
export type LiveService = (typeof LIVE_SERVICES)[number];

/**
 * What opens a route: the bearer credentials of the whole API (`session`, `apiKey`), a `ticket` in
 * the URL, an order's `trackingLink`, or the key of a device where its app can send it: as the
 * password of Basic authentication (`deviceBasic`) or as the field `id` (`deviceId`).
 */
export type LiveCredential =
  | "session"
  | "apiKey"
  | "ticket"
  | "trackingLink"
  | "deviceBasic"
  | "deviceId";

export interface LiveParameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly description: string;
  readonly schema: z.ZodType;
}

/** A body of one media type: the name of its schema. */
export type LiveContent = Readonly<Record<string, string>>;

export interface LiveAnswer {
  readonly description: string;
  /** Left out where there is no body. */
  readonly content?: LiveContent;
}

export interface ServiceRoute {
  readonly method: "GET" | "POST";
  /** As in `/api/v1/orders/{id}/track`. */
  readonly path: string;
  /** API: generated clients call it, and it is never renamed. */
  readonly operationId: string;
  readonly summary: string;
  readonly description: string;
  readonly tag: string;
  readonly credentials: readonly LiveCredential[];
  /** Whom bearer credentials may belong to. */
  readonly roles: readonly Role[];
  /** What an API key needs. */
  readonly scope: Scope;
  readonly parameters?: readonly LiveParameter[];
  readonly body?: LiveContent;
  /** By status. */
  readonly answers: Readonly<Record<string, LiveAnswer>>;
  /** Refusals beside those that everything may answer. */
  readonly problems: readonly ProblemCode[];
}

/** The paths of a list, each with its methods. */
export function methodsByPath(
  routes: readonly ServiceRoute[],
): ReadonlyMap<string, readonly string[]> {
  const methods = new Map<string, string[]>();
  for (const { path, method } of routes) {
    methods.set(path, [...methods.get(path) ?? [], method]);
  }
  return methods;
}
