/** Every mutant, in the order of the run. */
import type { Mutant } from "./mutant.ts";
import { mutant as ackBeforeCommit } from "./patches/ack_before_commit.ts";
import { mutant as busyStaysIndexed } from "./patches/busy_stays_indexed.ts";
import { mutant as effectNotDeduplicated } from "./patches/effect_not_deduplicated.ts";
import { mutant as framesNotDeduplicated } from "./patches/frames_not_deduplicated.ts";
import { mutant as idempotencyIgnored } from "./patches/idempotency_ignored.ts";
import { mutant as leaseWithoutFence } from "./patches/lease_without_fence.ts";
import { mutant as markBeforeAppend } from "./patches/mark_before_append.ts";
import { mutant as maxlenTrim } from "./patches/maxlen_trim.ts";
import { mutant as noUniqueIndex } from "./patches/no_unique_index.ts";
import { mutant as noVersionGuard } from "./patches/no_version_guard.ts";
import { mutant as oldStatusApplied } from "./patches/old_status_applied.ts";
import { mutant as relayByHorizon } from "./patches/relay_by_horizon.ts";
import { mutant as relayByLastId } from "./patches/relay_by_last_id.ts";
import { mutant as relayWithoutFence } from "./patches/relay_without_fence.ts";
import { mutant as timerWithoutEffect } from "./patches/timer_without_effect.ts";

/** By the name of its patch file. */
export const MUTANTS: Readonly<Record<string, Mutant>> = {
  "no_unique_index.ts": noUniqueIndex,
  "ack_before_commit.ts": ackBeforeCommit,
  "lease_without_fence.ts": leaseWithoutFence,
  "relay_without_fence.ts": relayWithoutFence,
  "relay_by_last_id.ts": relayByLastId,
  "relay_by_horizon.ts": relayByHorizon,
  "maxlen_trim.ts": maxlenTrim,
  "mark_before_append.ts": markBeforeAppend,
  "idempotency_ignored.ts": idempotencyIgnored,
  "busy_stays_indexed.ts": busyStaysIndexed,
  "timer_without_effect.ts": timerWithoutEffect,
  "no_version_guard.ts": noVersionGuard,
  "frames_not_deduplicated.ts": framesNotDeduplicated,
  "old_status_applied.ts": oldStatusApplied,
  "effect_not_deduplicated.ts": effectNotDeduplicated,
};
