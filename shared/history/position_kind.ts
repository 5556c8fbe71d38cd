/**
 * What a row of the position history is. Postgres keeps its place in this list, so words are only
 * added at the end.
 *
 * `usual` and `late` are where the courier was; `late` arrived after newer ones. `low_accuracy` may
 * be far off and `jump` was not believed: they are kept, and replays leave them out.
 */
export const POSITION_KINDS = ["usual", "late", "low_accuracy", "jump"] as const;
export type PositionKind = typeof POSITION_KINDS[number];

/** The number of a kind in Postgres. */
export function kindNumber(kind: PositionKind): number {
  return POSITION_KINDS.indexOf(kind);
}

/** Kinds that a replay draws a line through. */
export const DRAWN_KINDS: readonly number[] = [kindNumber("usual"), kindNumber("late")];
