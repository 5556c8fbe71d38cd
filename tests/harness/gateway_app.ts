/**
 * The gateway in this process on real stores, asked through its fetch handler. Every answer is held
 * to what all answers promise: a request id, no server error, refusals as problems without a word
 * about the inside, and whatever the OpenAPI document says of the operation.
 */
import assert from "node:assert/strict";
import { Credentials } from "shared/auth/credentials.ts";
import { PasswordHasher } from "shared/auth/password_hasher.ts";
import type { Role } from "shared/auth/principal.ts";
import { deriveSecrets } from "shared/auth/server_secrets.ts";
import { createSession } from "shared/auth/sessions.ts";
import { SigningKeys } from "shared/auth/signing_keys.ts";
import { Cache } from "shared/cache/cache.ts";
import { parseConfig } from "shared/config/config.ts";
import { createLog } from "shared/log/log.ts";
import { createMetrics } from "shared/metrics/metrics.ts";
import { isUuid } from "shared/ids/uuid.ts";
import { PROBLEMS } from "shared/problem/problem.ts";
import type { Redis } from "shared/redis/connect.ts";
import type { RedisKeys } from "shared/redis/keys.ts";
import { Regions } from "shared/regions/region.ts";
import { createApp } from "../../services/gateway/app.ts";
import type { GatewayDeps } from "../../services/gateway/deps.ts";
import { limitFields, limitPolicies } from "../../services/gateway/limit_config.ts";
import { createGatewayMetrics } from "../../services/gateway/metrics.ts";
import { NearestCouriers } from "../../services/gateway/nearest_couriers.ts";
import { OrderCache } from "../../services/gateway/order_cache.ts";
import { OrderReads } from "../../services/gateway/order_reads.ts";
import { PlacementWriter } from "../../services/gateway/write_placements.ts";
import { createLimits } from "../../services/gateway/middleware/limits.ts";
import { Zones } from "../../services/gateway/zones.ts";
import { serviceDocument } from "./api_document.ts";
import { assertConforms } from "./conformance.ts";
import { insertAccount } from "./fixtures.ts";
import { scriptsWith } from "./stand_ins.ts";
import type { TestStores } from "./stores.ts";

/** So high that only tests of limits meet one: each file is one client with few accounts. */
export const TEST_LIMITS = limitPolicies(
  parseConfig("test", limitFields, {
    LIMIT_ORDERS_PER_HOUR: "1000",
    LIMIT_SESSION_REQUESTS_PER_MINUTE: "10000",
    LIMIT_REGISTRATIONS_PER_HOUR: "1000",
    LIMIT_LOGIN_FAILURES_PER_ADDRESS: "1000",
    LIMIT_LOGIN_FREE_FAILURES: "1000",
  }),
);

export const PUBLIC_URL = "http://gateway.example";
export const TRACKER_URL = "http://tracker.example";

const TEST_SECRETS = await deriveSecrets("the secret key of gateways in tests");

/** What only the inside may know: stacks, files, drivers and the database's own words. */
const INSIDE =
  /\bat (async )?[\w.<>]+ \(|\bat (async )?file:|\.ts:\d+|node_modules|PostgresError|ioredis|ECONNREFUSED|violates|constraint|syntax error|stack/i;

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The parsed body; undefined where there is none or it is no JSON. */
  readonly json: Json;
}

/** Parsed JSON that tests may look into without ceremony; a wrong path gives undefined. */
export type Json = { readonly [name: string]: Json } & { readonly length?: number } | undefined;

export interface CallOptions {
  readonly token?: string | undefined;
  /** An object is sent as JSON; a text as it is, also as JSON. */
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  /** Where the answer may be this server error, on purpose. */
  readonly allowed?: number;
}

export interface TestGateway {
  readonly call: (method: string, path: string, options?: CallOptions) => Promise<Answer>;
  readonly deps: GatewayDeps;
  /** The log lines written so far. */
  readonly logLines: readonly string[];
  /** Makes an account with this role and opens a session for it. */
  signIn(role: Role): Promise<{ accountId: string; token: string }>;
  /** Opens a session for an account that exists. */
  tokenOf(accountId: string): Promise<string>;
  close(): void;
}

/** Starts a gateway. Close it before its stores. */
export function startGateway(
  stores: TestStores,
  changes: Partial<GatewayDeps> & { redis?: Redis } = {},
): TestGateway {
  const { sql, keys } = stores;
  const pool = changes.sql ?? sql;
  const redis = changes.redis ?? stores.redis;
  const logLines: string[] = [];
  const log = createLog({
    service: "gateway",
    level: "debug",
    format: "json",
    write: (line) => void logLines.push(line),
  });
  const hasher = new PasswordHasher();
  const metrics = createMetrics("gateway");
  const cache = noCache(redis, keys);
  const counters = createGatewayMetrics(metrics.registry);
  const { openBlocking } = stores;
  const nearest = new NearestCouriers({ sql, redis, keys, log, metrics: counters, openBlocking });
  const deps: GatewayDeps = {
    sql,
    keys,
    credentials: new Credentials({ sql, redis, keys, log, tokenIssuer: "hexmile" }),
    signingKeys: new SigningKeys({ sql, secrets: TEST_SECRETS, log }),
    hasher,
    secrets: TEST_SECRETS,
    limits: createLimits(TEST_LIMITS, {
      redis,
      keys,
      metrics: counters,
    }),
    cache,
    orderCache: new OrderCache(cache, sql),
    reads: new OrderReads(pool),
    placements: new PlacementWriter({
      sql: pool,
      publicUrl: PUBLIC_URL,
      onGroup: (placements) => counters.placementGroups.observe(placements),
    }),
    regions: new Regions(sql),
    zones: new Zones(sql),
    nearest,
    streets: new Map(),
    notifyOutbox: () => {},
    log,
    metrics,
    publicUrl: PUBLIC_URL,
    trackerUrl: TRACKER_URL,
    corsOrigins: [],
    speed: 1,
    demoPassword: undefined,
    readAsset: () => Promise.resolve(undefined),
    ...changes,
    redis,
  };
  const app = createApp(deps);
  const tokenOf = async (accountId: string) => (await createSession(sql, accountId)).token;
  return {
    deps,
    logLines,
    call: async (method, path, options = {}) => {
      const response = await app.fetch(requestOf(method, path, options));
      const answer = await checked(`${method} ${path}`, response, options.allowed);
      assertConforms(await serviceDocument("gateway"), method, path, answer);
      return answer;
    },
    tokenOf,
    signIn: async (role) => {
      const accountId = await insertAccount(sql, role);
      return { accountId, token: await tokenOf(accountId) };
    },
    close: () => {
      hasher.close();
      // What follows ends before the stores do.
      void nearest.close();
    },
  };
}

/**
 * A cache whose Redis never answers. Tests change orders behind the gateway's back, where no event
 * tells the cache; those of the cache bring a real one.
 */
function noCache(redis: Redis, keys: RedisKeys): Cache {
  const away = scriptsWith(redis, () => Promise.reject(new Error("no cache in this test")));
  return new Cache({ redis: away, keys });
}

function requestOf(method: string, path: string, options: CallOptions): Request {
  const headers = new Headers(options.headers);
  if (options.token !== undefined) headers.set("authorization", `Bearer ${options.token}`);
  const { body } = options;
  if (body !== undefined && !headers.has("content-type")) {
    headers.set("content-type", "application/json");
  }
  const isRaw = typeof body === "string" || body instanceof ReadableStream;
  return new Request(`${PUBLIC_URL}${path}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body: isRaw ? body : JSON.stringify(body) }),
  });
}

async function checked(what: string, response: Response, allowed?: number): Promise<Answer> {
  const { status, headers } = response;
  const text = await response.text();
  const answer = { status, headers, text, json: parsed(text) };
  const seen = `${what}: ${status} ${text.slice(0, 500)}`;
  assert.ok(isUuid(headers.get("x-request-id") ?? ""), `no request id: ${seen}`);
  if (status !== allowed) assert.ok(status < 500, seen);
  if (status >= 400) assertIsProblem(answer, seen);
  return answer;
}

function parsed(text: string): Json {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // Not every answer is JSON; tests that need it look at `text`.
  }
}

/** RFC 9457, with the one table's code, status and title, and nothing of the inside. */
function assertIsProblem({ status, headers, text, json }: Answer, seen: string): void {
  assert.equal(headers.get("content-type"), "application/problem+json", seen);
  assert.equal(headers.get("cache-control"), "private, no-store", seen);
  const code = String(json?.["code"]);
  assert.ok(Object.hasOwn(PROBLEMS, code), `unknown code: ${seen}`);
  const entry = PROBLEMS[code as keyof typeof PROBLEMS];
  assert.deepEqual(
    { status: json?.["status"], title: json?.["title"], type: json?.["type"] },
    { status: entry.status, title: entry.title, type: `/problems/${code}` },
    seen,
  );
  assert.equal(status, entry.status, seen);
  assert.doesNotMatch(text, INSIDE, seen);
}

/** The codes of a refusal and of its fields, short enough to compare at a glance. */
export function fieldsOf(answer: Answer): string[] {
  const errors = (answer.json?.["errors"] ?? []) as unknown as { field: string; bound: string }[];
  return errors.map(({ field, bound }) => `${field} ${bound}`);
}
