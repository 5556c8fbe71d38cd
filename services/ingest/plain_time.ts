/**
 * The form of time that phones send, `2026-11-21T10:00:00.000Z`, read by hand: the platform's parser
 * and a check of the form before it took longer than all else of a fix. Anything else that ISO 8601
 * knows is left to them.
 */
const POINT = 0x2e;
const Z = 0x5a;
const ZERO = 0x30;
const SECONDS_AT = "2026-11-21T10:00:".length;
/** With whole seconds: `00Z` after the minute. */
const SHORTEST = SECONDS_AT + 3;
/** With milliseconds: `00.000Z`. */
const LONGEST = SECONDS_AT + 7;
const MINUTE = /^[1-9]\d{3}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:$/;

/** The minute that was read last: nearly always the next one too. */
let lastMinute = "no minute";
let lastMinuteMs = NaN;

/** Milliseconds since 1970 of the text from `at` on; NaN unless it is plain and ends at `end`. */
export function plainTimeMs(text: string, at: number, end: number): number {
  if (end - at < SHORTEST || end - at > LONGEST || text.charCodeAt(end - 1) !== Z) return NaN;
  if (!text.startsWith(lastMinute, at)) readMinute(text.slice(at, at + SECONDS_AT));
  const seconds = digits(text, at + SECONDS_AT, 2);
  // NaN, where a digit is none, is not below anything.
  if (!(seconds < 60) || !text.startsWith(lastMinute, at)) return NaN;
  const ms = lastMinuteMs + seconds * 1_000;
  return end - at === SHORTEST ? ms : ms + fractionMs(text, at + SECONDS_AT + 2, end - 1);
}

/** Remembers the minute of a text; what is none is not. */
function readMinute(text: string): void {
  if (!MINUTE.test(text)) return;
  const date = `${text.slice(0, 10)}T00:00:00.000Z`;
  const ms = Date.parse(`${text}00Z`);
  // The thirtieth of February would be a day in March.
  if (Number.isNaN(ms) || new Date(Date.parse(date)).toISOString() !== date) return;
  lastMinute = text;
  lastMinuteMs = ms;
}

function digits(text: string, at: number, count: number): number {
  let value = 0;
  for (let place = at; place < at + count; place++) {
    const digit = text.charCodeAt(place) - ZERO;
    if (!(digit >= 0 && digit <= 9)) return NaN;
    value = value * 10 + digit;
  }
  return value;
}

function fractionMs(text: string, at: number, end: number): number {
  const count = end - at - 1;
  if (count < 1 || text.charCodeAt(at) !== POINT) return NaN;
  return digits(text, at + 1, count) * (count === 3 ? 1 : count === 2 ? 10 : 100);
}
