/** What the processes of the long run are given, and what they tell. */

export interface PhonesSettings {
  readonly port: number;
  /** A list of `Sender`. */
  readonly sendersFile: string;
  /** How many of them keep a WebSocket; the others post. */
  readonly sockets: number;
  /** Fixes of one phone, at most: the run is bounded. */
  readonly maxSlots: number;
  /** The phones begin one after the other over so many slots, as a shift does. */
  readonly rampSlots: number;
  readonly seed: number;
}

export interface ReaderSettings {
  readonly redisUrl: string;
  readonly prefix: string;
  readonly sendersFile: string;
  readonly maxSlots: number;
  /** Of the phones: which fixes they send later than they are due. */
  readonly seed: number;
}

/** What the phones saw since they were asked last. */
export interface PhonesFigures {
  /** Fixes that were sent, repeats included. */
  readonly fixes: number;
  /** Outcomes by the word of the answer; problems by their code. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** Fixes acknowledged while Redis was away. */
  readonly degraded: number;
  readonly openSockets: number;
  /** Frames and requests without an answer yet. */
  readonly underWay: number;
  /** From when a fix was due until it was acknowledged; of those sent one by one. */
  readonly ackP50Ms: number;
  readonly ackP99Ms: number;
  /** How late the phones themselves were. */
  readonly lagP99Ms: number;
  readonly lagMaxMs: number;
  /** How long posts waited in the phones' process for a connection. */
  readonly postWaitP99Ms: number;
  readonly postWaitMaxMs: number;
}

/** What the reader saw since it was asked last. */
export interface ReaderFigures {
  /** Moves of a courier that were applied to the grid. */
  readonly moves: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** Files of a ledger, as the phones and the reader write them. */
export const LEDGER_FILES = {
  /** Float64: the newest acknowledged recordedAt of each phone; 0 for none. */
  newest: "newest.bin",
  /** Bits: which fixes were acknowledged as kept by Redis. */
  acknowledged: "acknowledged.bin",
  /** Bits: which fixes stood on the stream. */
  streamed: "streamed.bin",
} as const;
