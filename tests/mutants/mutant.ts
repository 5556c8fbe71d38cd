/** What a mutant is: the product with one promise broken on purpose, and the test that must see it. */
import type { Edit } from "../harness/project_copy.ts";

/** A run of tests on real servers. */
export interface Detector {
  readonly phase: "chaos" | "integration";
  readonly file: string;
  /** Only the tests whose name has this text. */
  readonly filter?: string;
}

/** One broken promise. */
export interface Mutant {
  readonly name: string;
  /** What the product no longer does. */
  readonly breaks: string;
  readonly edits: readonly Edit[];
  readonly detector: Detector;
  /** What the detector must say. Any other failure is not a catch. */
  readonly says: RegExp;
}

/** Detectors used by several mutants. */
export const QUIET: Detector = { phase: "chaos", file: "tests/chaos/quiet_test.ts" };
export const REPEATED: Detector = { phase: "chaos", file: "tests/chaos/repeated_events_test.ts" };
export const SCHEDULES: Detector = {
  phase: "integration",
  file: "tests/integration/relay_schedules_test.ts",
};
