/** Positions by HTTP in our own form: one, or up to a hundred. */
import type { Fix } from "shared/availability/fix.ts";
import { MAX_BATCH_ERRORS, MAX_BATCH_POINTS as MAX_POINTS } from "shared/live_api/fix_schemas.ts";
import type { Log } from "shared/log/log.ts";
import { type FieldProblem, ProblemError } from "shared/problem/problem.ts";
import { shownValue } from "shared/problem/zod_problem.ts";
import { answerMany, answerOne, type PointCode, problemOf } from "./answers.ts";
import { type ParsedFix, parseFix } from "./parse_fix.ts";
import type { Recorded } from "./record_fix.ts";

/** A single fix is well under this. */
export const MAX_FIX_BYTES = 4 * 1024;
export const MAX_BATCH_BYTES = 64 * 1024;

/** Whose positions are recorded: a courier's, or those of a device that travels with an order. */
export interface Sender {
  record(fixes: readonly Fix[]): Promise<Recorded>;
  readonly log: Log;
}

/** Records the one fix of a body. */
export async function postOne(sender: Sender, input: unknown): Promise<Response> {
  const parsed = parseFix(input);
  if (!parsed.ok) throw new ProblemError("request.invalid", { errors: parsed.errors });
  return answerOne(await record(sender, [parsed.fix]));
}

/** Records the points of a body; those that are not well formed do not hold up the others. */
export async function postMany(sender: Sender, input: unknown): Promise<Response> {
  const parsed = pointsOf(input).map(parseFix);
  const fixes = parsed.flatMap((point) => point.ok ? [point.fix] : []);
  const errors = parsed.flatMap(errorsOf);
  if (fixes.length === 0) {
    throw new ProblemError("request.invalid", { errors: errors.slice(0, MAX_BATCH_ERRORS) });
  }
  const recorded = await record(sender, fixes);
  let next = 0;
  const codes = parsed.map((point): PointCode =>
    point.ok ? recorded.codes[next++] ?? "unknown" : "malformed"
  );
  return answerMany(recorded, codes, errors);
}

/** Records fixes, and words failures for the caller. */
export async function record(
  sender: Sender,
  fixes: readonly Fix[],
): Promise<Recorded> {
  try {
    return await sender.record(fixes);
  } catch (error) {
    throw problemOf(error, sender.log);
  }
}

function pointsOf(input: unknown): readonly unknown[] {
  const points = typeof input === "object" && input !== null && "positions" in input
    ? input.positions
    : undefined;
  const bound = `must be a list of 1 to ${MAX_POINTS} positions`;
  if (!Array.isArray(points)) {
    const value = points === undefined ? {} : { value: shownValue(points) };
    throw new ProblemError("request.invalid", {
      errors: [{ field: "positions", bound, ...value }],
    });
  }
  if (points.length < 1 || points.length > MAX_POINTS) {
    const errors = [{ field: "positions", bound, value: points.length }];
    throw new ProblemError("request.invalid", { errors });
  }
  return points;
}

function errorsOf(point: ParsedFix, index: number): FieldProblem[] {
  if (point.ok) return [];
  return point.errors.map((error) => ({ ...error, field: `positions.${index}.${error.field}` }));
}
