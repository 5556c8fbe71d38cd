/** What the processes of the history bench are given. */

export interface HistorySettings {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly prefix: string;
  /** Ids of all couriers, and of those who carry; too long for a command line. */
  readonly couriersFile: string;
  /** Fixes a second; 0 appends them as fast as Redis takes them. */
  readonly ratePerS: number;
  /** Of each courier. */
  readonly fixesEach: number;
}

export interface BenchCouriers {
  readonly ids: readonly string[];
  readonly carrying: readonly string[];
}

/** What the stage tells in the end. */
export interface StageFigures {
  readonly rows: number;
  readonly maxLagS: number;
  readonly rssMb: number;
}

/** A courier sends this often. */
export const FIX_EVERY_MS = 3_000;
