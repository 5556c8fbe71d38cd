/**
 * A posted fix to a typed one. Ten thousand of them arrive each second, and nearly all are well
 * formed, so a check by hand comes first: it took a tenth of the schema's time. The schema
 * judges, and words, what the check does not know to be good; a test holds the two together.
 */
import type { Fix } from "shared/availability/fix.ts";
import { MAX_INDEXABLE_LAT, MAX_LON, MIN_LON } from "shared/geo/point.ts";
import {
  fixSchema,
  MAX_POSTED_ACCURACY_M,
  MAX_POSTED_SPEED_MPS,
} from "shared/live_api/fix_schemas.ts";
import type { FieldProblem } from "shared/problem/problem.ts";
import { fieldProblems } from "shared/problem/zod_problem.ts";
import { fixOf } from "./fix_of.ts";
import { plainTimeMs } from "./plain_time.ts";

/** A phone may come out of a tunnel, not out of another year. */
const MAX_AGE_H = 48;
const MAX_AGE_MS = MAX_AGE_H * 3_600_000;

/** The form that every phone sends; others that ISO 8601 knows are left to the schema. */
const PLAIN_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;

const recentFixSchema = fixSchema.extend({
  recordedAt: fixSchema.shape.recordedAt.refine(isRecentText, {
    message: `must be at most ${MAX_AGE_H} hours old`,
  }),
});

/** Text that is no date has its own problem. */
function isRecentText(recordedAt: string): boolean {
  const recordedAtMs = Date.parse(recordedAt);
  return Number.isNaN(recordedAtMs) || isRecent(recordedAtMs);
}

/** Whether a fix is young enough to be taken at all. */
export function isRecent(recordedAtMs: number): boolean {
  return recordedAtMs > Date.now() - MAX_AGE_MS;
}

export type ParsedFix =
  | { readonly ok: true; readonly fix: Fix }
  | { readonly ok: false; readonly errors: readonly FieldProblem[] };

/** Parses one posted fix; what is wrong with it names the field, its bound and its value. */
export function parseFix(input: unknown): ParsedFix {
  const fix = readPlainFix(input);
  if (fix !== undefined) return { ok: true, fix };
  const parsed = recentFixSchema.safeParse(input);
  if (!parsed.success) return { ok: false, errors: fieldProblems(parsed.error.issues, input) };
  const { accuracyM, headingDeg, speedMps, lat, lon, recordedAt } = parsed.data;
  const place = { lat, lon, recordedAtMs: Date.parse(recordedAt) };
  return { ok: true, fix: fixOf(place, { accuracyM, headingDeg, speedMps }) };
}

/** A fix that is certainly good; undefined where the schema has to look. */
export function readPlainFix(input: unknown): Fix | undefined {
  if (typeof input !== "object" || input === null) return undefined;
  const { lat, lon, accuracyM, headingDeg, speedMps, recordedAt } = input as Record<
    string,
    unknown
  >;
  if (!isWithin(lat, -MAX_INDEXABLE_LAT, MAX_INDEXABLE_LAT)) return undefined;
  if (!isWithin(lon, MIN_LON, MAX_LON)) return undefined;
  if (typeof recordedAt !== "string") return undefined;
  const recordedAtMs = timeMs(recordedAt);
  // Not a number where the date is none.
  if (!isRecent(recordedAtMs)) return undefined;
  let fields = 3;
  if (accuracyM !== undefined) {
    if (!isWithin(accuracyM, 0, MAX_POSTED_ACCURACY_M)) return undefined;
    fields++;
  }
  if (headingDeg !== undefined) {
    if (!isWithin(headingDeg, 0, 360)) return undefined;
    fields++;
  }
  if (speedMps !== undefined) {
    if (!isWithin(speedMps, 0, MAX_POSTED_SPEED_MPS)) return undefined;
    fields++;
  }
  // An unknown field, or one that is there without a value.
  if (Object.keys(input).length !== fields) return undefined;
  return fixOf({ lat, lon, recordedAtMs }, { accuracyM, headingDeg, speedMps });
}

/** NaN for what is no time in one of the usual forms. */
function timeMs(text: string): number {
  const plainMs = plainTimeMs(text, 0, text.length);
  if (!Number.isNaN(plainMs)) return plainMs;
  return PLAIN_TIME.test(text) ? Date.parse(text) : NaN;
}

function isWithin(value: unknown, min: number, max: number): value is number {
  return typeof value === "number" && value >= min && value <= max;
}
