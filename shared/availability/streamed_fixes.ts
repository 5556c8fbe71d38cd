/**
 * An entry of the positions stream: what one script call accepted.
 *
 * Field `heard` is a JSON list with an element for each courier heard, `[id, fix, ...]`, as ingest
 * was told: a fix is `[recordedAtMs, lat, lon, accuracyM, headingDeg, speedMps]` (by the phone's
 * clock; trailing members left out, `null` where not known); none for a heartbeat. Field `marks` is
 * what the script said of it: words, of which the first is Redis's time of receipt in ms. Then one for
 * each courier:
 *
 * - a letter for its status and the status's version, as the script saw them
 * - `r` while the courier comes back after silence and is not offered yet
 * - `:` and one letter for each fix: see FIX_LETTERS
 * - `@recordedAtMs,lat,lon`: where the courier is now, where the fixes alone do not tell
 *
 * Of a courier's fixes those that were refused are left out by the reader; so what ingest was told
 * goes through the script unread. Entries of an earlier form have `at` and
 * `couriers`: a list of objects with id `c`, status `s`, version `v`, `r` 0 or 1, the fixes that were
 * kept `f`, their letters `k`, and the place `t`.
 */
import type { CourierStatus } from "shared/orders/rows.ts";
import { statusOfLetter } from "./courier_state.ts";
import { type Fix, FIX_LETTERS, type FixCode, isKept } from "./fix.ts";

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

/** As the script wrote it. */
interface CourierElement {
  readonly c: string;
  readonly s: CourierStatus;
  readonly v: number;
  readonly r: 0 | 1;
  readonly f: readonly FixTuple[];
  readonly k: string;
  readonly t?: readonly [number, number, number];
}

type HeardElement = readonly [string, ...FixTuple[]];

/** Reads an entry of the positions stream. @throws TypeError for what no script of ours wrote. */
export function parseStreamedCouriers(
  fields: Readonly<Record<string, string>>,
): StreamedCourier[] {
  const { marks, heard } = fields;
  if (marks !== undefined && heard !== undefined) return readHeard(marks, heard);
  const receivedAtMs = Number(fields["at"]);
  const elements: unknown = JSON.parse(fields["couriers"] ?? "null");
  if (!Array.isArray(elements) || !Number.isFinite(receivedAtMs)) {
    throw new TypeError("an entry of positions must have a time and a list of couriers");
  }
  return (elements as CourierElement[]).map((element) => readElement(element, receivedAtMs));
}

function readHeard(marks: string, heard: string): StreamedCourier[] {
  const words = marks.split(" ");
  const elements: unknown = JSON.parse(heard);
  const receivedAtMs = Number(words[0]);
  if (!Array.isArray(elements) || words.length !== elements.length + 1) {
    throw new TypeError("an entry of positions must have a mark for each courier");
  }
  const couriers: StreamedCourier[] = [];
  for (const [index, element] of (elements as HeardElement[]).entries()) {
    couriers.push(readMarked(element, words[index + 1] ?? "", receivedAtMs));
  }
  return couriers;
}

function readMarked(element: HeardElement, word: string, receivedAtMs: number): StreamedCourier {
  const colon = word.indexOf(":");
  const at = word.indexOf("@", colon);
  const isReturning = word.charAt(colon - 1) === "r";
  const fixes: StreamedFix[] = [];
  for (let index = 1; index < element.length; index++) {
    const fix = readFix(element[index] as FixTuple, word.charAt(colon + index), receivedAtMs);
    if (isKept(fix.code)) fixes.push(fix);
  }
  const told = at === -1 ? undefined : word.slice(at + 1).split(",").map(Number);
  const place = told === undefined
    ? newestOf(fixes)
    : { recordedAtMs: told[0] ?? 0, lat: told[1] ?? 0, lon: told[2] ?? 0 };
  return {
    courierId: element[0],
    status: statusOfLetter(word.charAt(0)),
    version: Number(word.slice(1, isReturning ? colon - 1 : colon)),
    isReturning,
    receivedAtMs,
    fixes,
    place,
  };
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
    place: element.t === undefined
      ? newestOf(fixes)
      : { recordedAtMs: element.t[0], lat: element.t[1], lon: element.t[2] },
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

function newestOf(fixes: readonly StreamedFix[]): StreamedPlace | undefined {
  const newest = fixes.findLast(({ code }) => code === "accepted");
  if (newest === undefined) return undefined;
  return { recordedAtMs: newest.recordedAtMs, lat: newest.fix.lat, lon: newest.fix.lon };
}
