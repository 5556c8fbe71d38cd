import { z } from "zod";
import type { AddressBlock } from "shared/addresses/client_address.ts";
import type { Principal } from "shared/auth/principal.ts";
import type { FixCode } from "shared/availability/availability.ts";
import { MAX_INDEXABLE_LAT } from "shared/geo/point.ts";
import {
  type ConnectionInfo,
  type RequestContext,
  serveRequests,
} from "shared/http/serve_requests.ts";
import type { Log } from "shared/log/log.ts";
import type { Metrics } from "shared/metrics/metrics.ts";
import { ProblemError } from "shared/problem/problem.ts";
import { fieldProblems } from "shared/problem/zod_problem.ts";
import { QueueFullError } from "./fix_batcher.ts";
import { requireCourier } from "./require_courier.ts";
import type { FixRecorder } from "./record_fix.ts";

/** A single fix is well under this. */
const MAX_BODY_BYTES = 4 * 1024;

/** A phone may come out of a tunnel, not out of another year. */
const MAX_AGE_H = 48;

const fixSchema = z.strictObject({
  // The geo index ends at this latitude.
  lat: z.number().min(-MAX_INDEXABLE_LAT).max(MAX_INDEXABLE_LAT),
  lon: z.number().min(-180).max(180),
  accuracyM: z.number().min(0).max(100_000).optional(),
  headingDeg: z.number().min(0).max(360).optional(),
  speedMps: z.number().min(0).max(1_000).optional(),
  recordedAt: z.iso.datetime({ offset: true }).refine(isRecent, {
    message: `must be at most ${MAX_AGE_H} hours old`,
  }),
});

/** Text that is no date has its own problem. */
function isRecent(recordedAt: string): boolean {
  const recordedAtMs = Date.parse(recordedAt);
  return Number.isNaN(recordedAtMs) || recordedAtMs > Date.now() - MAX_AGE_H * 3_600_000;
}

export interface IngestDeps {
  readonly recorder: FixRecorder;
  findPrincipal(token: string): Promise<Principal | undefined>;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly corsOrigins: readonly string[];
  /** Proxies whose X-Forwarded-For is believed. */
  readonly trustedProxies?: readonly AddressBlock[];
}

/** Ingest as a fetch handler. */
export function createApp(
  deps: IngestDeps,
): { fetch(request: Request, info?: ConnectionInfo): Promise<Response> } {
  const fetch = serveRequests(deps, async (request, context) => {
    const { pathname } = new URL(request.url);
    if (pathname !== "/api/v1/courier/location") throw new ProblemError("route.not_found");
    context.route = pathname;
    const cors = corsHeaders(deps, request);
    if (request.method === "OPTIONS") return new Response(null, { status: 204, headers: cors });
    if (request.method !== "POST") throw new ProblemError("route.method_not_allowed");
    const response = await postFix(deps, request, context);
    for (const [name, value] of Object.entries(cors)) response.headers.set(name, value);
    return response;
  });
  return { fetch };
}

async function postFix(
  deps: IngestDeps,
  request: Request,
  context: RequestContext,
): Promise<Response> {
  const principal = await requireCourier(request, deps.findPrincipal);
  context.ids["courierId"] = principal.accountId;
  const input = await readJson(request);
  const parsed = fixSchema.safeParse(input);
  if (!parsed.success) {
    throw new ProblemError("request.invalid", {
      errors: fieldProblems(parsed.error.issues, input),
    });
  }
  const { accuracyM, headingDeg, speedMps, ...place } = parsed.data;
  const fix = {
    ...place,
    ...(accuracyM === undefined ? {} : { accuracyM }),
    ...(headingDeg === undefined ? {} : { headingDeg }),
    ...(speedMps === undefined ? {} : { speedMps }),
  };
  return answerOf(await record(deps, principal.accountId, fix));
}

async function record(
  deps: IngestDeps,
  courierId: string,
  fix: Parameters<FixRecorder["record"]>[1],
): Promise<FixCode> {
  try {
    return await deps.recorder.record(courierId, fix);
  } catch (error) {
    if (error instanceof QueueFullError) {
      throw new ProblemError("ingest.overloaded", { retryAfterS: 1 });
    }
    deps.log.warn("position not recorded", { error });
    throw new ProblemError("service.unavailable", { retryAfterS: 2 });
  }
}

function answerOf(code: FixCode): Response {
  switch (code) {
    case "accepted":
      return Response.json({ accepted: true });
    case "stale":
      return Response.json({ accepted: false, reason: "stale" });
    case "off_shift":
      throw new ProblemError("courier.off_shift", {
        detail: "Cannot record a position: the courier must be online",
      });
    case "full":
      throw new ProblemError("ingest.overloaded", { retryAfterS: 5 });
    case "unknown":
      throw new ProblemError("courier.not_found");
  }
}

async function readJson(request: Request): Promise<unknown> {
  const bytes = await readBounded(request);
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw new ProblemError("request.malformed");
  }
}

/** Reads the body, but never more than the bound, whatever Content-Length says. */
async function readBounded(request: Request): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body ?? []) {
    length += chunk.byteLength;
    if (length > MAX_BODY_BYTES) {
      throw new ProblemError("request.too_large", {
        detail: `Cannot read the body: it must be <= ${MAX_BODY_BYTES} bytes`,
      });
    }
    chunks.push(chunk);
  }
  if (chunks.length === 1 && chunks[0] !== undefined) return chunks[0];
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return whole;
}

function corsHeaders(deps: IngestDeps, request: Request): Record<string, string> {
  const origin = request.headers.get("origin");
  if (origin === null || !deps.corsOrigins.includes(origin)) return {};
  return {
    "access-control-allow-origin": origin,
    "access-control-allow-headers": "authorization, content-type",
    "access-control-max-age": "600",
    "vary": "Origin",
  };
}
