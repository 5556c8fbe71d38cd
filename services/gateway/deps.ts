import type { AddressBlock } from "shared/addresses/client_address.ts";
import type { Credentials } from "shared/auth/credentials.ts";
import type { PasswordHasher } from "shared/auth/password_hasher.ts";
import type { ServerSecrets } from "shared/auth/server_secrets.ts";
import type { SigningKeys } from "shared/auth/signing_keys.ts";
import type { Cache } from "shared/cache/cache.ts";
import type { Log } from "shared/log/log.ts";
import type { Metrics } from "shared/metrics/metrics.ts";
import type { Redis } from "shared/redis/connect.ts";
import type { RedisKeys } from "shared/redis/keys.ts";
import type { Regions } from "shared/regions/region.ts";
import type { Router } from "shared/routing/router.ts";
import type { Sql } from "shared/sql/connect.ts";
import type { GatewayLimits } from "./middleware/limits.ts";
import type { NearestCouriers } from "./nearest_couriers.ts";
import type { OrderCache } from "./order_cache.ts";
import type { OrderReads } from "./order_reads.ts";
import type { PlacementWriter } from "./write_placements.ts";
import type { Zones } from "./zones.ts";

/** Streets of a region this gateway can route on and draw. */
export interface RegionStreets {
  readonly router: Router;
  /** The drawable street map as gzipped JSON: made once, because it is large and asked for often. */
  readonly mapGzip: Uint8Array<ArrayBuffer>;
  /** Its entity tag. */
  readonly mapTag: string;
  readonly attribution: string;
}

/** Everything the gateway works with; `main.ts` makes it. */
export interface GatewayDeps {
  readonly sql: Sql;
  readonly redis: Redis;
  readonly keys: RedisKeys;
  readonly credentials: Credentials;
  readonly signingKeys: SigningKeys;
  readonly hasher: PasswordHasher;
  readonly secrets: ServerSecrets;
  readonly limits: GatewayLimits;
  readonly cache: Cache;
  readonly orderCache: OrderCache;
  readonly reads: OrderReads;
  readonly placements: PlacementWriter;
  readonly regions: Regions;
  readonly zones: Zones;
  readonly nearest: NearestCouriers;
  /** By region id; a region without streets gets straight-line figures, and says so. */
  readonly streets: ReadonlyMap<string, RegionStreets>;
  /** Wakes the relay after a commit. */
  notifyOutbox(): void;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly publicUrl: string;
  readonly trackerUrl: string;
  readonly corsOrigins: readonly string[];
  /** Proxies whose X-Forwarded-For is believed. */
  readonly trustedProxies?: readonly AddressBlock[];
  /** Simulated time runs this much faster (1 outside the demo). */
  readonly speed: number;
  /** What the demo page may sign in with; undefined outside the demo. */
  readonly demoPassword: string | undefined;
  /** Reads a file of the console by its name; undefined when there is none. */
  readAsset(name: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
}
