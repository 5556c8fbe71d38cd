/**
 * Shapes the tracking page works with. They are the page's reading of the public API: only fields it
 * uses, everything optional that the page can do without, so that a newer server does not break an
 * older page in someone's browser.
 */

/** A place in degrees, WGS 84. */
export interface Point {
  readonly lat: number;
  readonly lon: number;
}

export interface Place extends Point {
  readonly address?: string;
}

export interface Courier {
  readonly name: string;
  readonly vehicle: string;
}

/** The order as the snapshot gives it. `stateTimes` holds ISO times by state name. */
export interface TrackedOrder {
  readonly id: string;
  readonly status: string;
  /** The order's version when the snapshot was read; frames up to it say nothing new. */
  readonly version?: number;
  readonly kind?: string;
  readonly regionId?: string;
  readonly stateTimes: Readonly<Record<string, string>>;
  readonly pickup: Place;
  readonly dropoff: Place;
  readonly estimatedDeliveryAt: string | null;
  readonly courier: Courier | null;
}

export interface Position extends Point {
  readonly headingDeg?: number;
  readonly speedMps?: number;
  readonly accuracyM?: number;
  /** ISO time of the fix, on the server's clock. */
  readonly recordedAt: string;
}

interface Sequenced {
  readonly epoch: string;
  readonly seq: number;
}

/** What comes over the track, in the order of `seq` within one `epoch`. */
export type Frame =
  | Sequenced & {
    readonly type: "snapshot" | "reset";
    readonly order: TrackedOrder;
    readonly position: Position | null;
  }
  | Sequenced & {
    readonly type: "status";
    readonly at: string;
    readonly status: string;
    /** The order's version after this change. */
    readonly version?: number;
    readonly estimatedDeliveryAt?: string | null;
  }
  | Sequenced & {
    readonly type: "courier";
    readonly courier: Courier | null;
    readonly version?: number;
  }
  | Sequenced & { readonly type: "position"; readonly position: Position }
  | Sequenced & { readonly type: "resumed" }
  | Sequenced & { readonly type: "unknown" };

/** All that the page knows. `epoch` is null until the first snapshot. */
export interface TrackState {
  readonly epoch: string | null;
  readonly seq: number;
  readonly order: TrackedOrder | null;
  readonly position: Position | null;
  /** Last positions, oldest first, bounded by `MAX_TRAIL_POSITIONS`; the last one is `position`. */
  readonly trail: readonly Position[];
}

/** What the connection has to do after a frame. */
export type FrameOutcome =
  /** The state may have changed: draw. */
  | "applied"
  /** Already seen, or nothing to show. */
  | "ignored"
  /** Frames are missing: open again from the last one seen. */
  | "gap"
  /** The server counts anew: open again without a place to resume from. */
  | "lost";

/** Web Mercator (EPSG:3857) metres, with y growing southwards as on a screen. */
export interface WorldPoint {
  readonly x: number;
  readonly y: number;
}

/** A rectangle of the map on the screen, in CSS pixels. */
export interface MapView {
  /** World point in the middle. */
  readonly center: WorldPoint;
  /** As in slippy maps: the world is 256 x 2^zoom pixels wide. */
  readonly zoom: number;
  readonly widthPx: number;
  readonly heightPx: number;
}

/** Free space to keep at each edge when something is fitted into the view. */
export interface Padding {
  readonly topPx: number;
  readonly rightPx: number;
  readonly bottomPx: number;
  readonly leftPx: number;
}

/** A marker under way: along `path` from `startMs` to `endMs` at constant speed. */
export interface Glide {
  readonly path: readonly WorldPoint[];
  readonly startMs: number;
  readonly endMs: number;
  /** Heading at the start and at the end, degrees clockwise from north; null where unknown. */
  readonly fromHeadingDeg: number | null;
  readonly toHeadingDeg: number | null;
  /** When the last fix came, and the usual time between two. */
  readonly lastFixMs: number;
  readonly intervalMs: number;
}

/**
 * How the page stands to the server: `connecting` until the first frame, `reconnecting` after a drop
 * (`attempt` counts the failures since the last frame), `paused` after too many of them.
 */
export type LinkState =
  | { readonly kind: "connecting" | "reconnecting"; readonly attempt: number }
  | { readonly kind: "live" | "ended" | "paused" }
  | { readonly kind: "refused"; readonly reason: "incomplete" | "invalid" | "expired" };
