/**
 * The form of time that phones send, `2026-11-21T10:00:00.000Z`, read by hand: the platform's parser
 * and a check of the form before it took longer than all else of a fix. Anything else that ISO 8601
 * knows is left to them.
 */
const DASH = 0x2d;
const T = 0x54;
const COLON = 0x3a;
const POINT = 0x2e;
const Z = 0x5a;
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

/** The day that was read last: nearly always the next one too. */
let lastDay = NaN;
let lastDayMs = NaN;

/** Milliseconds since 1970 of the text from `at` on; NaN unless it is plain and ends at `end`. */
export function plainTimeMs(text: string, at: number, end: number): number {
  const length = end - at;
  // With whole seconds, or with one to three digits of them.
  if (length !== 20 && (length < 22 || length > 24)) return NaN;
  if (
    text.charCodeAt(at + 4) !== DASH || text.charCodeAt(at + 7) !== DASH ||
    text.charCodeAt(at + 10) !== T || text.charCodeAt(at + 13) !== COLON ||
    text.charCodeAt(at + 16) !== COLON || text.charCodeAt(end - 1) !== Z
  ) return NaN;
  const day = digits(text, at, 4) * 10_000 + digits(text, at + 5, 2) * 100 +
    digits(text, at + 8, 2);
  const hour = digits(text, at + 11, 2);
  const minute = digits(text, at + 14, 2);
  const second = digits(text, at + 17, 2);
  // NaN, where a digit is none, is not below anything.
  if (!(hour < 24 && minute < 60 && second < 60)) return NaN;
  const ms = dayMs(day) + hour * HOUR_MS + minute * MINUTE_MS + second * 1_000;
  return length === 20 ? ms : ms + fractionMs(text, at + 19, end - 1);
}

function digits(text: string, at: number, count: number): number {
  let value = 0;
  for (let place = at; place < at + count; place++) {
    const digit = text.charCodeAt(place) - 0x30;
    if (!(digit >= 0 && digit <= 9)) return NaN;
    value = value * 10 + digit;
  }
  return value;
}

function fractionMs(text: string, at: number, end: number): number {
  if (text.charCodeAt(at) !== POINT) return NaN;
  const count = end - at - 1;
  return digits(text, at + 1, count) * (count === 3 ? 1 : count === 2 ? 10 : 100);
}

/** @param day as a number of eight digits. */
function dayMs(day: number): number {
  if (day === lastDay) return lastDayMs;
  const year = Math.floor(day / 10_000);
  const month = Math.floor(day / 100) % 100;
  // Years below 100 would be of the last century; no phone is that slow.
  const ms = year < 1_000 ? NaN : Date.UTC(year, month - 1, day % 100);
  const date = new Date(ms);
  // The thirtieth of February would be a day in March.
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day % 100) return NaN;
  lastDay = day;
  lastDayMs = ms;
  return ms;
}
