/** A tracker in this process on a port of its own, with its projector, over real stores. */
import { Registry } from "prom-client";
import { Credentials } from "shared/auth/credentials.ts";
import { createTicket, type Ticket } from "shared/auth/tickets.ts";
import { createToken, hashToken } from "shared/auth/token.ts";
import { silentLog } from "shared/log/log.ts";
import { createMetrics } from "shared/metrics/metrics.ts";
import type { Relay } from "shared/outbox/relay.ts";
import { connectRedisBlocking, type Redis } from "shared/redis/connect.ts";
import type { Sql } from "shared/sql/connect.ts";
import { createApp } from "../../services/tracker/app.ts";
import { Channels } from "../../services/tracker/channels.ts";
import { LiveConnections } from "shared/auth/live_connections.ts";
import { createTrackerMetrics } from "../../services/tracker/metrics.ts";
import { projectPartitions } from "../../services/tracker/project_partitions.ts";
import { TrackLog } from "../../services/tracker/track_log.ts";
import { serviceDocument } from "./api_document.ts";
import { Background } from "./background.ts";
import { assertConforms, assertFrames } from "./conformance.ts";
import { CourierIndex, fixAt, northOfPickup } from "./couriers.ts";
import { createDispatchWorld, type DispatchWorld } from "./dispatch_world.ts";
import { eventually } from "./eventually.ts";
import { openRelay, PARTITION, relayAll } from "./outbox.ts";
import type { TestStores } from "./stores.ts";
import { SocketViewer, StreamViewer, type Viewer } from "./track_viewer.ts";
import { withStores } from "./with_stores.ts";

export const PAGE_ORIGIN = "https://track.example";

/** The name of the lease under which a partition is projected. */
export const PROJECTOR_LEASE = `consumer:tracker:${PARTITION}`;

/** One tracker process: its own subscribing connection and its own port. */
export class TestTracker implements AsyncDisposable {
  readonly port: number;
  readonly trackLog: TrackLog;
  readonly credentials: Credentials;
  readonly live: LiveConnections;
  readonly subscriberName: string;
  readonly metrics = createTrackerMetrics(new Registry());
  readonly #subscriber: Redis;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  private constructor(stores: TestStores, subscriber: Redis, name: string) {
    const { sql, redis, keys } = stores;
    this.#subscriber = subscriber;
    this.subscriberName = name;
    this.trackLog = new TrackLog(redis, keys);
    const log = silentLog;
    this.credentials = new Credentials({ sql, redis, keys, log, tokenIssuer: "hexmile" });
    this.live = new LiveConnections(this.credentials.revocations);
    const app = createApp({
      credentials: this.credentials,
      live: this.live,
      sql,
      redis,
      keys,
      channels: new Channels(subscriber, silentLog),
      trackLog: this.trackLog,
      metrics: this.metrics,
      serviceMetrics: createMetrics("tracker"),
      log: silentLog,
      corsOrigins: [PAGE_ORIGIN],
    });
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, app.fetch);
    this.port = this.#server.addr.port;
  }

  /** @param redisUrl where it subscribes, if not straight at the run's Redis. */
  static async start(stores: TestStores, redisUrl = stores.redisUrl): Promise<TestTracker> {
    const name = `${stores.prefix}subscriber`;
    const subscriber = connectRedisBlocking(redisUrl, { name, log: silentLog });
    await subscriber.connect();
    return new TestTracker(stores, subscriber, name);
  }

  url(path: string, scheme: "ws" | "http" = "http"): string {
    return `${scheme}://127.0.0.1:${this.port}${path}`;
  }

  /** Asks over plain HTTP; the answer is held against what the OpenAPI document says of it. */
  async ask(path: string, init: RequestInit = {}): Promise<Response> {
    const response = await fetch(this.url(path), init);
    const { status, headers } = response;
    const type = headers.get("content-type") ?? "";
    // The body of a stream is looked at frame by frame.
    const text = type === "text/event-stream" ? "" : await response.clone().text();
    const answer = { status, headers, text, json: type.includes("json") ? JSON.parse(text) : {} };
    const method = init.method ?? "GET";
    assertConforms(await serviceDocument("tracker"), method, path, answer);
    return response;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#subscriber.disconnect();
    await this.#server.shutdown();
  }
}

/** What a viewer asks for. */
export interface ViewOptions {
  readonly since?: string;
  /** Set for the view of a courier. */
  readonly courierId?: string;
  /** The session or key that the ticket was asked with. */
  readonly credentialId?: string;
}

export class TrackerWorld {
  readonly stores: TestStores;
  readonly tracker: TestTracker;
  readonly dispatch: DispatchWorld;
  readonly index: CourierIndex;
  readonly #relay: Relay;
  readonly #viewers: (SocketViewer | StreamViewer)[] = [];
  /** What the OpenAPI document calls the frames of each viewer. */
  readonly #shapes = new Map<Viewer, string>();
  readonly #projectors: Background[] = [];
  #fixes = 0;

  constructor(stores: TestStores, tracker: TestTracker, dispatch: DispatchWorld, relay: Relay) {
    this.stores = stores;
    this.tracker = tracker;
    this.dispatch = dispatch;
    this.index = new CourierIndex(stores);
    this.#relay = relay;
  }

  get sql(): Sql {
    return this.stores.sql;
  }

  /** Projects the test partition, as a tracker process does, until it is stopped. */
  startProjector(): Background {
    const { sql, redis, keys, openBlocking } = this.stores;
    const { metrics, trackLog } = this.tracker;
    const background = new Background();
    this.#projectors.push(background);
    background.run((signal) =>
      projectPartitions({
        sql,
        redis,
        keys,
        openBlocking,
        trackLog,
        metrics,
        log: silentLog,
        signal,
        instanceId: "test",
      })
    );
    return background;
  }

  async stopProjectors(): Promise<void> {
    await Promise.all(this.#projectors.map((projector) => projector.stop()));
  }

  /** Waits until the partition's projection has changed hands this often. */
  async projectorHasFence(fence: number): Promise<void> {
    await eventually(`the projector has fence ${fence}`, async () => {
      const [lease] = await this.sql<{ fence: string }[]>`
        select fence from leases where name = ${PROJECTOR_LEASE}`;
      return Number(lease?.fence) >= fence;
    });
  }

  async ticket(grant: Ticket): Promise<string> {
    return await createTicket(this.stores.redis, this.stores.keys, grant);
  }

  /** Opens a track over a WebSocket, as the page does. */
  async view(orderId: string, options: ViewOptions = {}, tracker = this.tracker) {
    const { courierId, credentialId } = options;
    const ticket = await this.ticket({
      kind: "track",
      orderId,
      ...(courierId === undefined ? {} : { courierId }),
      ...(credentialId === undefined ? {} : { credentialId }),
    });
    const since = options.since === undefined ? "" : `&since=${options.since}`;
    const path = `/api/v1/orders/${orderId}/track?ticket=${ticket}${since}`;
    const viewer = new SocketViewer(tracker.url(path, "ws"));
    this.#viewers.push(viewer);
    this.#shapes.set(viewer, "TrackFrame");
    return viewer;
  }

  /** Opens a track as an event stream, with the secret of the tracking link. */
  async stream(orderId: string, headers: Record<string, string> = {}): Promise<StreamViewer> {
    const token = await this.trackingToken(orderId);
    const viewer = await StreamViewer.open(
      this.tracker.url(`/api/v1/orders/${orderId}/track`),
      { "x-tracking-token": token, ...headers },
    );
    this.#viewers.push(viewer);
    this.#shapes.set(viewer, "TrackFrame");
    return viewer;
  }

  /** Opens a courier's channel. */
  async channel(courierId: string, credentialId?: string): Promise<SocketViewer> {
    const by = credentialId === undefined ? {} : { credentialId };
    const ticket = await this.ticket({ kind: "courier_channel", courierId, ...by });
    const path = `/api/v1/courier/channel?ticket=${ticket}`;
    const viewer = new SocketViewer(this.tracker.url(path, "ws"));
    this.#viewers.push(viewer);
    this.#shapes.set(viewer, "ChannelMessage");
    return viewer;
  }

  /** Gives an order's link a new secret; the secret. */
  async trackingToken(orderId: string): Promise<string> {
    const token = createToken();
    await this.sql`
      update orders set tracking_token_hash = ${await hashToken(token)} where id = ${orderId}`;
    return token;
  }

  /** Publishes every event that was committed, and waits until the projector has handled it. */
  async publish(): Promise<void> {
    await relayAll(this.#relay);
    await this.#projected(this.stores.keys.events(PARTITION));
  }

  /** Sends a fix of a courier and waits until the projector has handled it. */
  async sendFix(courierId: string): Promise<void> {
    await this.sendFixUnprojected(courierId);
    await this.#projected(this.stores.keys.positions(PARTITION));
  }

  /** Waits until the projector has handled all positions. */
  async positionsProjected(): Promise<void> {
    await this.#projected(this.stores.keys.positions(PARTITION));
  }

  /** Sends a fix of a courier, recorded now; `speedMps` numbers the fixes of the test. */
  async sendFixUnprojected(courierId: string): Promise<void> {
    const number = ++this.#fixes;
    await eventually("the fix is accepted", async () => {
      // Late when sent in the millisecond of the one before; limited after 120 of them.
      const fix = { ...fixAt(northOfPickup(number)), speedMps: number };
      const code = await this.index.fix(courierId, fix);
      const mayRepeat = code === "late" || code === "limited";
      if (!mayRepeat && code !== "accepted") throw new Error(`fix was ${code}`);
      return code === "accepted";
    });
  }

  async #projected(stream: string): Promise<void> {
    const { redis } = this.stores;
    await eventually(`the projector has handled ${stream}`, async () => {
      const [last] = await redis.xrevrange(stream, "+", "-", "COUNT", 1);
      if (last === undefined) return true;
      const groups = await redis.xinfo("GROUPS", stream) as unknown[][];
      const group = groups.find((flat) => flat.includes("tracker")) ?? [];
      return group[group.indexOf("last-delivered-id") + 1] === last[0] &&
        group[group.indexOf("pending") + 1] === 0;
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.#viewers.map((viewer) => viewer.close()));
    await this.stopProjectors();
    const document = await serviceDocument("tracker");
    for (const [viewer, shape] of this.#shapes) assertFrames(document, shape, viewer.frames);
  }
}

/** Numbers of the fixes that a viewer saw, in the order in which it saw them. */
export function fixesSeen(viewer: Viewer): unknown[] {
  return viewer.of("position").map((frame) =>
    (frame["position"] as { speedMps?: number }).speedMps
  );
}

/** Runs one test in such a world. */
export async function withTrackerWorld(use: (world: TrackerWorld) => Promise<void>): Promise<void> {
  await withStores(async (stores) => {
    await using tracker = await TestTracker.start(stores);
    const dispatch = await createDispatchWorld(stores.sql);
    const world = new TrackerWorld(stores, tracker, dispatch, await openRelay(stores));
    // Its groups must be there before anything is asked of them.
    world.startProjector();
    const { keys, redis } = stores;
    await eventually(
      "the projector has begun",
      async () => await redis.exists(keys.events(PARTITION), keys.positions(PARTITION)) === 2,
    );
    try {
      await use(world);
    } finally {
      await world.close();
    }
  });
}
