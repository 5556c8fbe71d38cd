/** Who reads which stream (DESIGN §11). What a new group must not miss, it must be named here for. */

/** Consumer groups of every `events` stream. */
export const EVENT_GROUPS = ["matcher", "ingest", "tracker"] as const;

/** Consumer groups of every `positions` stream. */
export const POSITION_GROUPS = ["tracker", "history"] as const;
