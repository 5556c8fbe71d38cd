import assert from "node:assert/strict";
import fc from "fast-check";
import { type Hours, hoursSchema, minutesOf, timeZoneSchema } from "./hours_schema.ts";
import { isWithin, openStatus } from "./opening_hours.ts";

const STOCKHOLM = "Europe/Stockholm";
const SEED = 20261121;

function hours(weekly: Hours["weekly"], exceptions: Hours["exceptions"] = []): Hours {
  return hoursSchema.parse({ weekly, exceptions });
}

function status(of: Hours | null, at: string, timeZone = STOCKHOLM): string {
  const found = openStatus(of, timeZone, Date.parse(at));
  const text = (ms: number | null) => ms === null ? "never" : new Date(ms).toISOString();
  return found.isOpen
    ? `open until ${text(found.closesAtMs)}`
    : `closed until ${text(found.opensAtMs)}`;
}

const lunch = hours([1, 2, 3, 4, 5].map((day) => ({ day, opens: "11:00", closes: "14:00" })));

Deno.test("openStatus() opens at the opening time and closes at the closing time, exclusive", () => {
  // A Monday in winter: UTC+1.
  assert.equal(status(lunch, "2026-01-12T09:59:59.999Z"), "closed until 2026-01-12T10:00:00.000Z");
  assert.equal(status(lunch, "2026-01-12T10:00:00Z"), "open until 2026-01-12T13:00:00.000Z");
  assert.equal(status(lunch, "2026-01-12T12:59:59.999Z"), "open until 2026-01-12T13:00:00.000Z");
  assert.equal(status(lunch, "2026-01-12T13:00:00Z"), "closed until 2026-01-13T10:00:00.000Z");
  // Friday afternoon to Monday.
  assert.equal(status(lunch, "2026-01-16T20:00:00Z"), "closed until 2026-01-19T10:00:00.000Z");
});

Deno.test("openStatus() takes a closing time that is not later for one of the next day", () => {
  const bar = hours([{ day: 5, opens: "18:00", closes: "03:00" }]);
  assert.equal(status(bar, "2026-01-17T01:30:00Z"), "open until 2026-01-17T02:00:00.000Z");
  assert.equal(status(bar, "2026-01-17T02:00:00Z"), "closed until 2026-01-23T17:00:00.000Z");
  const wholeDay = hours([{ day: 6, opens: "08:00", closes: "08:00" }]);
  assert.equal(status(wholeDay, "2026-01-17T07:00:00Z"), "open until 2026-01-18T07:00:00.000Z");
});

Deno.test("openStatus() joins intervals that touch or overlap, also over midnight", () => {
  const night = hours([
    { day: 5, opens: "18:00", closes: "24:00" },
    { day: 6, opens: "00:00", closes: "02:00" },
    { day: 6, opens: "01:00", closes: "04:00" },
  ]);
  assert.equal(status(night, "2026-01-16T20:00:00Z"), "open until 2026-01-17T03:00:00.000Z");
});

Deno.test("openStatus() knows who never closes, never opens, or keeps no hours", () => {
  const always = hours([1, 2, 3, 4, 5, 6, 7].map((day) => ({
    day,
    opens: "00:00",
    closes: "24:00",
  })));
  assert.equal(status(always, "2026-01-16T20:00:00Z"), "open until never");
  assert.equal(status(hours([]), "2026-01-16T20:00:00Z"), "closed until never");
  assert.equal(status(null, "2026-01-16T20:00:00Z"), "open until never");
});

Deno.test("openStatus() lets a date's exception replace the week, but not what began the day before", () => {
  const kitchen = hours(
    [1, 2, 3, 4, 5, 6, 7].map((day) => ({
      day,
      opens: "18:00",
      closes: "02:00",
    })),
    [
      { date: "2026-12-24", intervals: [] },
      { date: "2026-12-25", intervals: [{ opens: "12:00", closes: "15:00" }] },
    ],
  );
  assert.equal(status(kitchen, "2026-12-24T00:30:00Z"), "open until 2026-12-24T01:00:00.000Z");
  assert.equal(status(kitchen, "2026-12-24T18:00:00Z"), "closed until 2026-12-25T11:00:00.000Z");
  assert.equal(status(kitchen, "2026-12-25T14:00:00Z"), "closed until 2026-12-26T17:00:00.000Z");
});

Deno.test("openStatus() follows summer time: where the clock jumps over the opening, it opens at the jump", () => {
  const early = hours([{ day: 7, opens: "02:30", closes: "05:00" }]);
  // 2026-03-29: 02:00 becomes 03:00 at 01:00Z. 2026-10-25: 03:00 becomes 02:00 at 01:00Z.
  assert.equal(status(early, "2026-03-29T00:59:59Z"), "closed until 2026-03-29T01:00:00.000Z");
  assert.equal(status(early, "2026-03-29T01:00:00Z"), "open until 2026-03-29T03:00:00.000Z");
  // 02:30 comes twice; the first counts.
  assert.equal(status(early, "2026-10-25T00:00:00Z"), "closed until 2026-10-25T00:30:00.000Z");
  const late = hours([{ day: 6, opens: "18:00", closes: "02:30" }]);
  assert.equal(status(late, "2026-10-25T00:00:00Z"), "open until 2026-10-25T00:30:00.000Z");
  assert.equal(status(late, "2026-03-29T00:30:00Z"), "open until 2026-03-29T01:00:00.000Z");
  // An interval inside the jump does not happen.
  const inside = hours([{ day: 7, opens: "02:10", closes: "02:50" }]);
  assert.equal(status(inside, "2026-03-29T00:00:00Z"), "closed until 2026-04-05T00:10:00.000Z");
});

Deno.test("openStatus() survives a day that a zone skipped", () => {
  const friday = hours([{ day: 5, opens: "10:00", closes: "22:00" }]);
  // Samoa had no Friday 30 December 2011.
  const next = "closed until 2012-01-05T20:00:00.000Z";
  assert.equal(status(friday, "2011-12-30T09:00:00Z", "Pacific/Apia"), next);
});

const SCAN_BACK_MINUTES = 4 * 1_440;
const SCAN_MINUTES = 4 * 1_440;
const scanned = new Map<string, number[]>();

/** What the wall clock shows minute by minute, as minutes of a calendar without zones. */
function wallClocks(timeZone: string, fromMs: number): number[] {
  const key = `${timeZone} ${fromMs}`;
  const known = scanned.get(key);
  if (known !== undefined) return known;
  const format = new Intl.DateTimeFormat("en-CA", {
    timeZone,
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
  });
  const clocks: number[] = [];
  for (let m = -SCAN_BACK_MINUTES; m < SCAN_MINUTES; m++) {
    const parts = Object.fromEntries(
      format.formatToParts(fromMs + m * 60_000).map(({ type, value }) => [type, Number(value)]),
    );
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0 } = parts;
    clocks.push(Date.UTC(year, month - 1, day, hour, minute) / 60_000);
  }
  scanned.set(key, clocks);
  return clocks;
}

/**
 * The rule again, minute by minute on the runtime's formatter: an interval runs from the first
 * minute whose wall clock shows its opening or later to the first that shows its closing or later.
 */
function openByScan(of: Hours, timeZone: string, fromMs: number): boolean[] {
  const open = new Array<boolean>(SCAN_MINUTES).fill(false);
  const clocks = wallClocks(timeZone, fromMs);
  const firstAtLeast = (wanted: number) => {
    const index = clocks.findIndex((clock) => clock >= wanted);
    return index === -1 ? Infinity : index - SCAN_BACK_MINUTES;
  };
  const firstDay = Math.floor((clocks[0] ?? 0) / 1_440) + 1;
  const lastDay = Math.floor((clocks.at(-1) ?? 0) / 1_440);
  for (let day = firstDay; day <= lastDay; day++) {
    const date = new Date(day * 1_440 * 60_000);
    const name = date.toISOString().slice(0, 10);
    const exception = of.exceptions.find((entry) => entry.date === name);
    const intervals = exception?.intervals ??
      of.weekly.filter((entry) => entry.day === (date.getUTCDay() || 7));
    for (const { opens, closes } of intervals) {
      const from = minutesOf(opens);
      const to = minutesOf(closes);
      const start = firstAtLeast(day * 1_440 + from);
      const end = firstAtLeast(day * 1_440 + (to > from ? to : to + 1_440));
      for (let m = Math.max(0, start); m < Math.min(SCAN_MINUTES, end); m++) open[m] = true;
    }
  }
  return open;
}

/** Zones and days on which a clock changes, at midnight, by half an hour, or not at all. */
const CHANGES = [
  [STOCKHOLM, "2026-03-29"],
  [STOCKHOLM, "2026-10-25"],
  ["America/New_York", "2026-11-01"],
  ["Australia/Lord_Howe", "2026-04-05"],
  ["Australia/Lord_Howe", "2026-10-04"],
  ["Africa/Cairo", "2026-04-24"],
  ["Africa/Cairo", "2026-10-30"],
  ["America/Santiago", "2026-09-06"],
  ["Pacific/Apia", "2011-12-30"],
  ["Asia/Kathmandu", "2026-06-15"],
] as const;

Deno.test("openStatus() agrees with a scan of every minute around changes of the clock (property)", () => {
  console.log(`seed ${SEED}`);
  const time = fc.integer({ min: 0, max: 95 }).map((quarter) =>
    `${String(Math.floor(quarter / 4)).padStart(2, "0")}:${
      String(quarter % 4 * 15).padStart(2, "0")
    }`
  );
  const interval = fc.record({ opens: time, closes: fc.oneof(time, fc.constant("24:00")) });
  const weekly = fc.array(
    fc.tuple(fc.integer({ min: 1, max: 7 }), interval).map(([day, rest]) => ({ day, ...rest })),
    { maxLength: 12 },
  );
  const change = fc.constantFrom(...CHANGES);
  const exceptions = fc.array(
    fc.tuple(fc.integer({ min: -2, max: 3 }), fc.array(interval, { maxLength: 3 })),
    { maxLength: 3 },
  );
  const quarter = fc.nat(4);
  fc.assert(
    fc.property(change, weekly, exceptions, quarter, ([timeZone, date], week, changed, q) => {
      const dayMs = Date.parse(`${date}T00:00:00Z`);
      const byDate = new Map(
        changed.map(([offset, intervals]) => [
          new Date(dayMs + offset * 86_400_000).toISOString().slice(0, 10),
          intervals,
        ]),
      );
      const of = hours(week, [...byDate].map(([day, intervals]) => ({ date: day, intervals })));
      const fromMs = dayMs - 86_400_000;
      const open = openByScan(of, timeZone, fromMs);
      for (let m = q * 15; m < SCAN_MINUTES; m += 75) {
        const atMs = fromMs + m * 60_000;
        const found = openStatus(of, timeZone, atMs);
        const what = `${timeZone} ${new Date(atMs).toISOString()} ${JSON.stringify(of)}`;
        assert.equal(found.isOpen, open[m], what);
        const change = open.findIndex((isOpen, index) => index > m && isOpen !== found.isOpen);
        if (change === -1) continue;
        const nextMs = found.isOpen ? found.closesAtMs : found.opensAtMs;
        assert.equal(nextMs, fromMs + change * 60_000, what);
      }
    }),
    { seed: SEED, numRuns: 100 },
  );
});

Deno.test("isWithin() takes weekly intervals of a time zone", () => {
  const friday = [{ day: 5, opens: "17:00", closes: "20:00" }];
  assert.equal(isWithin(friday, STOCKHOLM, Date.parse("2026-07-03T15:00:00Z")), true);
  assert.equal(isWithin(friday, STOCKHOLM, Date.parse("2026-07-03T18:00:00Z")), false);
});

Deno.test("hoursSchema refuses times, days and dates that do not exist, repeats and unknown fields", () => {
  const week = (entry: unknown) => hoursSchema.safeParse({ weekly: [entry], exceptions: [] });
  for (
    const entry of [
      { day: 0, opens: "10:00", closes: "11:00" },
      { day: 8, opens: "10:00", closes: "11:00" },
      { day: 1.5, opens: "10:00", closes: "11:00" },
      { day: 1, opens: "24:00", closes: "11:00" },
      { day: 1, opens: "10:60", closes: "11:00" },
      { day: 1, opens: "9:00", closes: "11:00" },
      { day: 1, opens: "10:00", closes: "24:01" },
      { day: 1, opens: "10:00", closes: "11:00", until: "12:00" },
    ]
  ) assert.equal(week(entry).success, false, JSON.stringify(entry));
  const dates = (...names: string[]) =>
    hoursSchema.safeParse({
      weekly: [],
      exceptions: names.map((date) => ({ date, intervals: [] })),
    });
  assert.equal(dates("2026-02-30").success, false);
  assert.equal(dates("2026-12-24", "2026-12-24").success, false);
  assert.equal(dates("2026-12-24").success, true);
});

Deno.test("timeZoneSchema takes IANA names and no offsets", () => {
  for (const name of ["Europe/Stockholm", "UTC", "America/Argentina/Ushuaia"]) {
    assert.equal(timeZoneSchema.safeParse(name).success, true, name);
  }
  for (const name of ["", "Mars/Base", "+02:00", "Europe/Stockholm\0", "x".repeat(100)]) {
    assert.equal(timeZoneSchema.safeParse(name).success, false, name);
  }
});
