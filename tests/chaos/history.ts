/** What the clients of a run did and what they were told, in the order of their calls. */

/** `unknown`: no answer, or one that does not say whether the effect took place. */
export type Outcome = "ok" | "fail" | "unknown";

/** One call. A key is used by all attempts of one order. */
export interface Attempt {
  /** `reuse` sends another order with a key that was used. */
  readonly op: "place" | "replay" | "reuse";
  readonly key: string;
  /** From 1, as the city is seeded. */
  readonly customer: number;
  readonly invokedAtMs: number;
  readonly endedAtMs: number;
  readonly outcome: Outcome;
  /** HTTP status; null where there was no answer. */
  readonly status: number | null;
  /** Code of a problem, or why there was no answer. */
  readonly code?: string;
  readonly orderId?: string;
  /** SHA-256 of what an answer with success says, whatever the order of its fields. */
  readonly answerHash?: string;
}

/** All attempts of a run. */
export class History {
  readonly attempts: Attempt[] = [];

  add(attempt: Attempt): void {
    this.attempts.push(attempt);
  }

  /** Order ids that some client was told, by key. More than one per key is a violation. */
  toldIds(): Map<string, Set<string>> {
    const told = new Map<string, Set<string>>();
    for (const { key, orderId } of this.attempts) {
      const ids = told.get(key) ?? new Set<string>();
      if (orderId !== undefined) ids.add(orderId);
      told.set(key, ids);
    }
    return told;
  }

  count(outcome: Outcome): number {
    return this.attempts.filter((attempt) => attempt.outcome === outcome).length;
  }

  /** As JSON lines, for whoever has to find out what happened. */
  toJsonLines(): string {
    return this.attempts.map((attempt) => JSON.stringify(attempt)).join("\n");
  }
}
