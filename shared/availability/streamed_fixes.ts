/**
 * An entry of the positions stream: what one script call accepted.
 *
 * Field `at` is Redis's time of receipt in ms, `couriers` a JSON list with one element for each
 * courier heard:
 *
 * - `c` id, `s` status and `v` version as the script saw them, `r` 1 while the courier comes back
 *   after silence and is not offered yet
 * - `f` the fixes kept, each `[recordedAtMs, lat, lon, accuracyM, headingDeg, speedMps]` (by the
 *   phone's clock; trailing members left out, `null` where not known); none after a heartbeat
 * - `k` one letter for each fix: see FIX_LETTERS
 * - `t` `[recordedAtMs, lat, lon]`: where the courier is now, where the fixes alone do not tell
 */
import type { CourierStatus } from "shared/orders/rows.ts";
import { type Fix, FIX_LETTERS, type FixCode } from "./fix.ts";

/** One fix of a courier that was kept. */
export interface StreamedFix {
  readonly code: FixCode;
  readonly fix: Fix;
  /** `fix.recordedAtMs`, or the time of receipt where the phone's clock runs ahead. */
  readonly recordedAtMs: number;
}

/** What was heard of one courier at once. */
export interface StreamedCourier {
  readonly courierId: string;
  readonly status: CourierStatus;
  readonly version: number;
  readonly isReturning: boolean;
  readonly receivedAtMs: number;
  readonly fixes: readonly StreamedFix[];
  /** Where the courier is now; undefined while nobody knows. */
  readonly place: StreamedPlace | undefined;
}

/** Where a courier is, by the newest fix that was believed. */
export interface StreamedPlace {
  readonly recordedAtMs: number;
  readonly lat: number;
  readonly lon: number;
}

type FixTuple = readonly [
  number,
  number,
  number,
  (number | null)?,
  (number | null)?,
  (number | null)?,
];

/** As the script writes it. */
interface CourierElement {
  readonly c: string;
  readonly s: CourierStatus;
  readonly v: number;
  readonly r: 0 | 1;
  readonly f: readonly FixTuple[];
  readonly k: string;
  readonly t?: readonly [number, number, number];
}

/** Reads an entry of the positions stream. @throws TypeError for what no script of ours wrote. */
export function parseStreamedCouriers(
  fields: Readonly<Record<string, string>>,
): StreamedCourier[] {
  const receivedAtMs = Number(fields["at"]);
  const elements: unknown = JSON.parse(fields["couriers"] ?? "null");
  if (!Array.isArray(elements) || !Number.isFinite(receivedAtMs)) {
    throw new TypeError("an entry of positions must have a time and a list of couriers");
  }
  return (elements as CourierElement[]).map((element) => readElement(element, receivedAtMs));
}

function readElement(element: CourierElement, receivedAtMs: number): StreamedCourier {
  const fixes = element.f.map((tuple, index) =>
    readFix(tuple, element.k.charAt(index), receivedAtMs)
  );
  return {
    courierId: element.c,
    status: element.s,
    version: element.v,
    isReturning: element.r === 1,
    receivedAtMs,
    fixes,
    place: placeOf(element, fixes),
  };
}

function readFix(tuple: FixTuple, letter: string, receivedAtMs: number): StreamedFix {
  const [recordedAtMs, lat, lon, accuracyM, headingDeg, speedMps] = tuple;
  const lower = letter.toLowerCase();
  const fix: Fix = {
    lat,
    lon,
    ...(accuracyM === undefined || accuracyM === null ? {} : { accuracyM }),
    ...(headingDeg === undefined || headingDeg === null ? {} : { headingDeg }),
    ...(speedMps === undefined || speedMps === null ? {} : { speedMps }),
    recordedAtMs,
  };
  const isClamped = letter !== lower;
  return {
    code: FIX_LETTERS[lower] ?? "late",
    fix,
    recordedAtMs: isClamped ? receivedAtMs : recordedAtMs,
  };
}

function placeOf(
  { t }: CourierElement,
  fixes: readonly StreamedFix[],
): StreamedPlace | undefined {
  if (t !== undefined) return { recordedAtMs: t[0], lat: t[1], lon: t[2] };
  const newest = fixes.findLast(({ code }) => code === "accepted");
  if (newest === undefined) return undefined;
  return { recordedAtMs: newest.recordedAtMs, lat: newest.fix.lat, lon: newest.fix.lon };
}
