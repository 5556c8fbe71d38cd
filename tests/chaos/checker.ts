/**
 * The oracle of every chaos test: once the faults are over and the system is quiet, are all
 * promises kept? Looks at Postgres, Redis, logs and what clients saw, never at the services' own
 * word. `checker_test.ts` proves that each rule can fail.
 */
import { checkAccepted, checkAssignments, checkLives, checkNothingLeft } from "./check_orders.ts";
import { checkEffects } from "./check_effects.ts";
import { checkProcesses } from "./check_processes.ts";
import { checkConsumed, checkIndex, checkPublished } from "./check_streams.ts";
import { checkTracks } from "./check_tracks.ts";
import type { Evidence, Violation } from "./evidence.ts";

/** Every broken promise; empty when all are kept. */
export async function checkAll(evidence: Evidence): Promise<Violation[]> {
  const found = [
    await checkAccepted(evidence),
    await checkLives(evidence),
    await checkAssignments(evidence),
    await checkIndex(evidence),
    await checkTracks(evidence),
    await checkPublished(evidence),
    await checkConsumed(evidence),
    await checkEffects(evidence),
    await checkNothingLeft(evidence),
    checkProcesses(evidence),
    [...evidence.sampled],
  ];
  return found.flat();
}
