/** Opening hours as they are written, stored and checked. */
import { z } from "zod";

/** Minutes of a day; 24:00 is its end. */
export const DAY_MINUTES = 1_440;
const MAX_INTERVALS_PER_DAY = 6;
const MAX_INTERVALS = 7 * MAX_INTERVALS_PER_DAY;
const MAX_EXCEPTIONS = 366;
/** ISO 8601: Monday is 1, Sunday is 7. */
const FIRST_DAY = 1;
const LAST_DAY = 7;

const opensAt = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, "must be HH:MM from 00:00 to 23:59");
const closesAt = z.string().regex(
  /^(([01]\d|2[0-3]):[0-5]\d|24:00)$/,
  "must be HH:MM from 00:00 to 24:00",
);

/** From `opens` to `closes`; a `closes` that is not later than `opens` is on the next day. */
export const intervalSchema = z.strictObject({ opens: opensAt, closes: closesAt });

export const weeklyIntervalSchema = z.strictObject({
  day: z.int().min(FIRST_DAY).max(LAST_DAY),
  opens: opensAt,
  closes: closesAt,
});
export type WeeklyInterval = z.infer<typeof weeklyIntervalSchema>;

/** What holds on one date instead of the week; no intervals means closed all day. */
export const dateExceptionSchema = z.strictObject({
  date: z.iso.date(),
  intervals: z.array(intervalSchema).max(MAX_INTERVALS_PER_DAY),
});

export const hoursSchema = z.strictObject({
  weekly: z.array(weeklyIntervalSchema).max(MAX_INTERVALS),
  exceptions: z.array(dateExceptionSchema).max(MAX_EXCEPTIONS).refine(
    (exceptions) => new Set(exceptions.map(({ date }) => date)).size === exceptions.length,
    "must name each date once",
  ),
});
export type Hours = z.infer<typeof hoursSchema>;

export const timeZoneSchema = z.string().max(60).refine(isTimeZone, "must be an IANA time zone");

function isTimeZone(name: string): boolean {
  // An offset such as +02:00 is a time zone to the runtime, but one that knows no summer time.
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** `"18:30"` as minutes from midnight. */
export function minutesOf(text: string): number {
  const [hours = 0, minutes = 0] = text.split(":").map(Number);
  return hours * 60 + minutes;
}
