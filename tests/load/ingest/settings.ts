/** What the processes of the ingest benches are given. */

export interface ServerSettings {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  /** Of the Redis keys of one run. */
  readonly prefix: string;
  readonly port: number;
  /** For the yardstick that checks sessions and limits: whose. */
  readonly checks?: { readonly sendersFile: string } | undefined;
}

export interface LoadSettings {
  readonly port: number;
  readonly path: string;
  /** Whether the body says who sends. */
  readonly tellsDriver: boolean;
  /** A list of `Sender`; too long for a command line. */
  readonly sendersFile: string;
  readonly connections: number;
  /** Points of one request; 1 is a single fix. */
  readonly points: number;
  /** Requests that are measured. */
  readonly requests: number;
  /** Requests a second, whatever the answers do; 0 sends the next when one is answered. */
  readonly ratePerS: number;
}

/** One phone. */
export interface Sender {
  readonly id: string;
  readonly token: string;
}

export interface LimitSettings {
  readonly redisUrl: string;
  readonly prefix: string;
  readonly couriers: number;
  /** Points of one courier that come together. */
  readonly points: number;
  readonly fixes: number;
}

export const REGION = "bench";
/** The middle of the region, which is 66 x 66 km. */
export const MIDDLE = { lat: 57.7, lon: 11.9 };
/** What is in one flush: DESIGN §9. */
export const FLUSH_FIXES = 200;

/** What the load tells in the end. */
export interface LoadFigures {
  /** Requests that were not answered with 200. */
  readonly refused: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}
