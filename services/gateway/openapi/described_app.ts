/** The gateway as far as it describes itself: for the reference's files and for tests. */
import { silentLog } from "shared/log/log.ts";
import { createMetrics } from "shared/metrics/metrics.ts";
import { createApp, type Gateway } from "../app.ts";
import type { GatewayDeps } from "../deps.ts";
import type { OpenApiDocument } from "./document.ts";

/** A gateway without stores. It can do nothing but describe itself, which touches none. */
export function describedApp(): Gateway {
  const deps: Partial<GatewayDeps> = {
    corsOrigins: [],
    log: silentLog,
    metrics: createMetrics("gateway"),
  };
  return createApp(deps as GatewayDeps);
}

/** The document as a gateway serves it. */
export async function readApiDocument(): Promise<OpenApiDocument> {
  const answer = await describedApp().fetch(new Request("http://gateway/api/v1/openapi.json"));
  const document: OpenApiDocument = await answer.json();
  return document;
}
