/**
 * When somebody is open. Pure; instants are Unix milliseconds.
 *
 * The rule: an interval begins the first moment the wall clock of its time zone shows its opening
 * time or a later one, and ends the first moment it shows its closing time or a later one. So where
 * the clocks jump over 02:30, an interval that opens at 02:30 opens at the jump; where 02:30 comes
 * twice, the first counts. Wall clock and date come from the IANA data of the runtime.
 */
import { DAY_MINUTES, type Hours, minutesOf, type WeeklyInterval } from "./hours_schema.ts";

/** Whoever does not open for this long has no next opening. */
const MAX_SEARCH_DAYS = 366;
/** Whoever does not close for this long has no closing time. */
const MAX_OPEN_DAYS = 8;
/**
 * How far back an interval that still runs may have begun: yesterday, and the day before where a
 * day was skipped or a clock was set back over midnight.
 */
const DAYS_BACK = 2;

/** Open until `closesAtMs`, or closed until `opensAtMs`; null where that is out of sight. */
export type OpenStatus =
  | { readonly isOpen: true; readonly closesAtMs: number | null }
  | { readonly isOpen: false; readonly opensAtMs: number | null };

interface Span {
  readonly startMs: number;
  /** Exclusive. */
  readonly endMs: number;
}

/**
 * Whether hours say open at an instant, and until when.
 *
 * @param hours null for somebody who keeps no hours, which is always open.
 */
export function openStatus(hours: Hours | null, timeZone: string, atMs: number): OpenStatus {
  if (hours === null) return { isOpen: true, closesAtMs: null };
  const days = new Days(hours, timeZone);
  const today = Temporal.Instant.fromEpochMilliseconds(atMs).toZonedDateTimeISO(timeZone)
    .toPlainDate();
  const current = runningSpan(days, today, atMs);
  return current === undefined
    ? { isOpen: false, opensAtMs: nextStart(days, today, atMs) }
    : { isOpen: true, closesAtMs: endOfRun(days, today, current.endMs) };
}

/** Whether one of the weekly intervals runs at an instant, by the same rule as opening hours. */
export function isWithin(
  weekly: readonly WeeklyInterval[],
  timeZone: string,
  atMs: number,
): boolean {
  return openStatus({ weekly: [...weekly], exceptions: [] }, timeZone, atMs).isOpen;
}

function runningSpan(days: Days, today: Temporal.PlainDate, atMs: number): Span | undefined {
  for (let back = 0; back <= DAYS_BACK; back++) {
    const found = days.spansOf(today.subtract({ days: back }))
      .find(({ startMs, endMs }) => startMs <= atMs && atMs < endMs);
    if (found !== undefined) return found;
  }
  return undefined;
}

function nextStart(days: Days, today: Temporal.PlainDate, atMs: number): number | null {
  // From the days back: where a clock is set back over midnight, "yesterday" may still open.
  for (let ahead = -DAYS_BACK; ahead <= MAX_SEARCH_DAYS; ahead++) {
    const starts = days.spansOf(today.add({ days: ahead })).map(({ startMs }) => startMs)
      .filter((startMs) => startMs > atMs);
    if (starts.length > 0) return Math.min(...starts);
  }
  return null;
}

/** The end of everything that touches or overlaps what ends at `endMs`. */
function endOfRun(days: Days, today: Temporal.PlainDate, endMs: number): number | null {
  let end = endMs;
  for (let ahead = -DAYS_BACK; ahead <= MAX_OPEN_DAYS; ahead++) {
    const date = today.add({ days: ahead });
    if (days.instantOf(date, 0) > end) return end;
    // Sorted by start, so one pass over a day finds every continuation within it.
    for (const span of days.spansOf(date)) {
      if (span.startMs <= end && span.endMs > end) end = span.endMs;
    }
  }
  return null;
}

/** The spans that begin on each date. */
class Days {
  readonly #timeZone: string;
  readonly #weekly = new Map<number, { opens: string; closes: string }[]>();
  readonly #exceptions: ReadonlyMap<string, Hours["exceptions"][number]["intervals"]>;

  constructor(hours: Hours, timeZone: string) {
    this.#timeZone = timeZone;
    for (const { day, opens, closes } of hours.weekly) {
      this.#weekly.set(day, [...this.#weekly.get(day) ?? [], { opens, closes }]);
    }
    this.#exceptions = new Map(hours.exceptions.map(({ date, intervals }) => [date, intervals]));
  }

  /** Sorted by start; an interval that falls wholly into a jump of the clock is left out. */
  spansOf(date: Temporal.PlainDate): Span[] {
    const intervals = this.#exceptions.get(date.toString()) ?? this.#weekly.get(date.dayOfWeek) ??
      [];
    return intervals.map(({ opens, closes }) => {
      const from = minutesOf(opens);
      const to = minutesOf(closes);
      return {
        startMs: this.instantOf(date, from),
        endMs: this.instantOf(date, to > from ? to : to + DAY_MINUTES),
      };
    }).filter(({ startMs, endMs }) => startMs < endMs).sort((a, b) => a.startMs - b.startMs);
  }

  /** The first moment at which the wall clock shows this minute of the date, or a later one. */
  instantOf(date: Temporal.PlainDate, minute: number): number {
    const wanted = date.toPlainDateTime().add({ minutes: minute });
    const shown = wanted.toZonedDateTime(this.#timeZone, { disambiguation: "earlier" });
    if (shown.toPlainDateTime().equals(wanted)) return shown.epochMilliseconds;
    // The clock jumps over it. "earlier" is an instant before the jump, so the jump is the next one.
    return shown.getTimeZoneTransition("next")?.epochMilliseconds ?? shown.epochMilliseconds;
  }
}
