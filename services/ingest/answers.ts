/** What became of positions, as HTTP says it. */
import type { FixCode } from "shared/availability/fix.ts";
import { isStored } from "shared/availability/fix.ts";
import { MAX_BATCH_ERRORS } from "shared/live_api/fix_schemas.ts";
import type { Log } from "shared/log/log.ts";
import { type FieldProblem, ProblemError } from "shared/problem/problem.ts";
import { isUnavailable } from "shared/service/unavailable.ts";
import { QueueFullError } from "./fix_batcher.ts";
import { StoppedError } from "./last_positions.ts";
import type { Recorded } from "./record_fix.ts";

const QUEUE_RETRY_S = 1;
const FULL_RETRY_S = 5;
const STORE_RETRY_S = 2;

/** A point of a batch: as recorded, or not well formed. */
export type PointCode = FixCode | "malformed";

/** What a caller is told of a failure to record; a bug stays one. */
export function problemOf(error: unknown, log: Log): unknown {
  if (error instanceof QueueFullError) {
    return new ProblemError("ingest.overloaded", { retryAfterS: QUEUE_RETRY_S });
  }
  if (!isUnavailable(error) && !(error instanceof StoppedError)) return error;
  log.warn("position not recorded", { error });
  return new ProblemError("service.unavailable", { retryAfterS: STORE_RETRY_S });
}

/** Refusals that concern the courier or the service, not the one fix. */
function refusalOf(code: PointCode | undefined, recorded: Recorded): ProblemError | undefined {
  switch (code) {
    case "off_shift":
      return new ProblemError("courier.off_shift", {
        detail: "Cannot record a position: the courier must be online",
      });
    case "full":
      return new ProblemError("ingest.overloaded", { retryAfterS: FULL_RETRY_S });
    case "unknown":
      return new ProblemError("courier.not_found");
    case "limited":
      return new ProblemError("limit.exceeded", {
        detail: "Cannot record a position: 1 a second may be sent, and 120 at once",
        retryAfterS: retryAfterS(recorded),
      });
    default:
      return undefined;
  }
}

function retryAfterS({ retryAfterMs = 0 }: Recorded): number {
  return Math.max(1, Math.ceil(retryAfterMs / 1000));
}

/** The answer to a single fix. @throws ProblemError where it was refused for its courier. */
export function answerOne(recorded: Recorded): Response {
  const [code] = recorded.codes;
  const refusal = refusalOf(code, recorded);
  if (refusal !== undefined) throw refusal;
  return Response.json({
    accepted: code !== undefined && isStored(code),
    ...(code === "accepted" ? {} : { reason: code }),
    ...(recorded.clamped > 0 ? { clamped: true } : {}),
    ...(recorded.isDegraded ? { degraded: true } : {}),
  });
}

/**
 * The answer to a batch: one code for each point, in the order sent.
 *
 * @throws ProblemError where every point was refused for its courier.
 */
export function answerMany(
  recorded: Recorded,
  codes: readonly PointCode[],
  errors: readonly FieldProblem[],
): Response {
  const [first] = codes;
  if (first !== undefined && codes.every((code) => code === first)) {
    const refusal = refusalOf(first, recorded);
    if (refusal !== undefined) throw refusal;
  }
  return Response.json(
    {
      accepted: codes.filter((code) => code !== "malformed" && isStored(code)).length,
      results: codes,
      ...(errors.length === 0 ? {} : { errors: errors.slice(0, MAX_BATCH_ERRORS) }),
      ...(recorded.isDegraded ? { degraded: true } : {}),
    },
    codes.includes("limited") ? { headers: { "retry-after": String(retryAfterS(recorded)) } } : {},
  );
}
