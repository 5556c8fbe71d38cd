/** Ingest in this process, over real stores. */
import { Registry } from "prom-client";
import { Credentials } from "shared/auth/credentials.ts";
import { LiveConnections } from "shared/auth/live_connections.ts";
import { createSession } from "shared/auth/sessions.ts";
import { Limiter } from "shared/limits/limiter.ts";
import { silentLog } from "shared/log/log.ts";
import { createMetrics } from "shared/metrics/metrics.ts";
import type { Redis } from "shared/redis/connect.ts";
import { createApp } from "../../services/ingest/app.ts";
import { CourierDirectory } from "../../services/ingest/courier_directory.ts";
import { LastPositions } from "../../services/ingest/last_positions.ts";
import { createIngestMetrics } from "../../services/ingest/metrics.ts";
import { ParcelRecorder } from "../../services/ingest/parcel_recorder.ts";
import { PrincipalCache } from "../../services/ingest/principal_cache.ts";
import { FixRecorder } from "../../services/ingest/record_fix.ts";
import { SilenceWatch } from "../../services/ingest/silence_watch.ts";
import type { Fix } from "shared/availability/fix.ts";
import { serviceDocument } from "./api_document.ts";
import { assertConforms } from "./conformance.ts";
import { bodyOf, CourierIndex } from "./couriers.ts";
import { insertRegion } from "./fixtures.ts";
import type { TestStores } from "./stores.ts";
import { withStores } from "./with_stores.ts";

export const LOCATION_URL = "http://ingest.test/api/v1/courier/location";
export const LOCATIONS_URL = "http://ingest.test/api/v1/courier/locations";
export const TOKEN_ISSUER = "hexmile";
export const APP_ORIGIN = "https://courier.example";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

/** One ingest process. */
export class Ingest {
  readonly lastPositions: LastPositions;
  readonly credentials: Credentials;
  readonly recorder: FixRecorder;
  readonly metrics = createIngestMetrics(new Registry());
  readonly silenceWatch = new SilenceWatch();
  /** What the memory of principals takes for the time. */
  nowMs = 0;
  readonly #stores: TestStores;
  readonly #app: ReturnType<typeof createApp>;

  constructor(stores: TestStores, redis: Redis = stores.redis) {
    const { sql, keys } = stores;
    this.#stores = stores;
    this.lastPositions = new LastPositions(sql, silentLog);
    const log = silentLog;
    this.recorder = new FixRecorder({
      sql,
      redis,
      keys,
      directory: new CourierDirectory(sql),
      lastPositions: this.lastPositions,
      metrics: this.metrics,
      log,
    });
    this.credentials = new Credentials({ sql, redis, keys, log, tokenIssuer: TOKEN_ISSUER });
    const principals = new PrincipalCache(this.credentials, { now: () => this.nowMs });
    this.#app = createApp({
      recorder: this.recorder,
      parcels: new ParcelRecorder({
        sql,
        redis,
        keys,
        limiter: new Limiter({ redis, keys }),
        metrics: this.metrics,
        log,
      }),
      principals,
      connections: new LiveConnections(this.credentials.revocations),
      silenceWatch: this.silenceWatch,
      redis,
      keys,
      ingestMetrics: this.metrics,
      log,
      metrics: createMetrics("ingest"),
      corsOrigins: [APP_ORIGIN],
    });
  }

  async token(accountId: string): Promise<string> {
    return (await createSession(this.#stores.sql, accountId)).token;
  }

  /** Every answer is held against what the OpenAPI document says of it. */
  async respond(request: Request): Promise<Response> {
    const { method } = request;
    const { pathname, search } = new URL(request.url);
    const response = await this.#app.fetch(request);
    const { status, headers } = response;
    const text = await response.clone().text();
    const isJson = /json/.test(headers.get("content-type") ?? "");
    const answer = { status, headers, text, json: isJson ? JSON.parse(text) : undefined };
    assertConforms(await serviceDocument("ingest"), method, pathname + search, answer);
    return response;
  }

  async fetch(request: Request): Promise<Answer> {
    const response = await this.respond(request);
    const text = await response.text();
    const body = text === "" ? {} : JSON.parse(text) as Record<string, unknown>;
    return { status: response.status, headers: response.headers, body };
  }

  /** Posts a fix, or whatever else, as a phone does. */
  async post(token: string | undefined, body: unknown, url = LOCATION_URL): Promise<Answer> {
    const text = typeof body === "string" ? body : JSON.stringify(posted(body));
    const headers = new Headers({
      "content-type": "application/json",
      // Where it is missing ingest takes the long way.
      "content-length": String(new TextEncoder().encode(text).length),
    });
    if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
    return await this.fetch(new Request(url, { method: "POST", headers, body: text }));
  }

  async postMany(token: string, fixes: readonly unknown[]): Promise<Answer> {
    return await this.post(token, { positions: fixes.map(posted) }, LOCATIONS_URL);
  }

  /** How many fixes had this outcome. */
  async counted(result: string): Promise<number> {
    const { values } = await this.metrics.fixes.get();
    return values.find(({ labels }) => labels.result === result)?.value ?? 0;
  }

  /** Serves real connections until the disposal. */
  listen(): { readonly url: string } & AsyncDisposable {
    const server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      this.#app.fetch,
    );
    return {
      url: `http://127.0.0.1:${server.addr.port}`,
      [Symbol.asyncDispose]: async () => await server.shutdown(),
    };
  }
}

/** A fix in the form in which phones post it; anything else as it is. */
function posted(body: unknown): unknown {
  const isFix = typeof body === "object" && body !== null && "recordedAtMs" in body;
  return isFix ? bodyOf(body as Fix) : body;
}

export async function withIngest(
  use: (
    world: { ingest: Ingest; stores: TestStores; index: CourierIndex },
  ) => Promise<void>,
): Promise<void> {
  await withStores(async (stores) => {
    await insertRegion(stores.sql);
    await use({ ingest: new Ingest(stores), stores, index: new CourierIndex(stores) });
  });
}
