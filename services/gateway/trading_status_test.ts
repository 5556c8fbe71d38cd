import assert from "node:assert/strict";
import { tradingStatus } from "./trading_status.ts";

const lunch = {
  weekly: [1, 2, 3, 4, 5].map((day) => ({ day, opens: "11:00", closes: "14:00" })),
  exceptions: [],
};
const kitchen = {
  takesOrders: true,
  isSuspended: false,
  pausedUntil: null,
  hours: lunch,
  timeZone: "Europe/Stockholm",
};
/** A Monday at noon in Stockholm. */
const NOON = Date.parse("2026-01-12T11:00:00Z");

Deno.test("tradingStatus() follows the hours of an open merchant", () => {
  assert.deepEqual(tradingStatus(kitchen, NOON), {
    isOpen: true,
    closesAt: new Date("2026-01-12T13:00:00Z"),
  });
  assert.deepEqual(tradingStatus(kitchen, NOON + 3 * 3_600_000), {
    isOpen: false,
    opensAt: new Date("2026-01-13T10:00:00Z"),
    because: "hours",
  });
  assert.deepEqual(tradingStatus({ ...kitchen, hours: null }, NOON), {
    isOpen: true,
    closesAt: null,
  });
});

Deno.test("tradingStatus() opens after a pause, or when the hours do after it", () => {
  const pausedUntil = new Date(NOON + 30 * 60_000);
  assert.deepEqual(tradingStatus({ ...kitchen, pausedUntil }, NOON), {
    isOpen: false,
    opensAt: pausedUntil,
    because: "paused",
  });
  const longer = new Date(NOON + 5 * 3_600_000);
  assert.deepEqual(tradingStatus({ ...kitchen, pausedUntil: longer }, NOON), {
    isOpen: false,
    opensAt: new Date("2026-01-13T10:00:00Z"),
    because: "paused",
  });
  assert.equal(tradingStatus({ ...kitchen, pausedUntil }, pausedUntil.getTime()).isOpen, true);
});

Deno.test("tradingStatus() knows no opening of a merchant that is switched off", () => {
  assert.deepEqual(tradingStatus({ ...kitchen, isSuspended: true }, NOON), {
    isOpen: false,
    opensAt: null,
    because: "closed",
  });
  assert.deepEqual(tradingStatus({ ...kitchen, takesOrders: false }, NOON), {
    isOpen: false,
    opensAt: null,
    because: "closed",
  });
});
