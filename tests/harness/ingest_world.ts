/** Ingest in this process, over real stores. */
import { Registry } from "prom-client";
import { Credentials } from "shared/auth/credentials.ts";
import { createSession } from "shared/auth/sessions.ts";
import { silentLog } from "shared/log/log.ts";
import { createMetrics } from "shared/metrics/metrics.ts";
import type { Redis } from "shared/redis/connect.ts";
import { createApp } from "../../services/ingest/app.ts";
import { CourierDirectory } from "../../services/ingest/courier_directory.ts";
import { LastPositions } from "../../services/ingest/last_positions.ts";
import { createIngestMetrics } from "../../services/ingest/metrics.ts";
import { PrincipalCache } from "../../services/ingest/principal_cache.ts";
import { FixRecorder } from "../../services/ingest/record_fix.ts";
import { CourierIndex } from "./couriers.ts";
import { insertRegion } from "./fixtures.ts";
import type { TestStores } from "./stores.ts";
import { withStores } from "./with_stores.ts";

export const LOCATION_URL = "http://ingest.test/api/v1/courier/location";
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
  /** What the memory of principals takes for the time. */
  nowMs = 0;
  readonly #stores: TestStores;
  readonly #app: ReturnType<typeof createApp>;

  constructor(stores: TestStores, redis: Redis = stores.redis) {
    const { sql, keys } = stores;
    this.#stores = stores;
    this.lastPositions = new LastPositions(sql, silentLog);
    const recorder = new FixRecorder({
      redis,
      keys,
      directory: new CourierDirectory(sql),
      lastPositions: this.lastPositions,
      metrics: createIngestMetrics(new Registry()),
    });
    const log = silentLog;
    this.credentials = new Credentials({ sql, redis, keys, log, tokenIssuer: TOKEN_ISSUER });
    const principals = new PrincipalCache(this.credentials, () => this.nowMs);
    this.#app = createApp({
      recorder,
      findPrincipal: (token) => principals.find(token),
      log: silentLog,
      metrics: createMetrics("ingest"),
      corsOrigins: [APP_ORIGIN],
    });
  }

  async token(accountId: string): Promise<string> {
    return (await createSession(this.#stores.sql, accountId)).token;
  }

  async fetch(request: Request): Promise<Answer> {
    const response = await this.#app.fetch(request);
    const text = await response.text();
    const body = text === "" ? {} : JSON.parse(text) as Record<string, unknown>;
    return { status: response.status, headers: response.headers, body };
  }

  async post(token: string | undefined, body: unknown): Promise<Answer> {
    const headers = new Headers({ "content-type": "application/json" });
    if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
    const text = typeof body === "string" ? body : JSON.stringify(body);
    return await this.fetch(new Request(LOCATION_URL, { method: "POST", headers, body: text }));
  }
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
