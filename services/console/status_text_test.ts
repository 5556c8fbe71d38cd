import assert from "node:assert/strict";
import {
  clockText,
  detail,
  distanceText,
  durationText,
  etaText,
  headline,
  isParcel,
  orderSteps,
  shortOrderNumber,
  staleText,
} from "./public/status_text.js";
import type { TrackedOrder } from "./track_types.ts";

const STATES = [
  "placed",
  "confirmed",
  "preparing",
  "ready_for_pickup",
  "picked_up",
  "in_transit",
  "delivered",
  "failed_attempt",
  "returning",
  "returned",
  "cancelled",
  "failed",
  "expired",
];
const OPTIONS = { locale: "sv-SE", timeZone: "Europe/Stockholm" };
const DUE_MS = Date.parse("2026-11-20T17:42:00Z");

function order(changes: Partial<TrackedOrder>): TrackedOrder {
  return {
    id: "0192f3a4-7c1d-7e21-9b1a-4c2fd1b7c2e0",
    status: "in_transit",
    stateTimes: { placed: "2026-11-20T17:00:00Z" },
    pickup: { lat: 57.7, lon: 11.95 },
    dropoff: { lat: 57.69, lon: 11.98 },
    estimatedDeliveryAt: "2026-11-20T17:42:00Z",
    courier: { name: "Alva", vehicle: "bicycle" },
    ...changes,
  };
}

Deno.test("headline() and detail() have words for every state", () => {
  for (const status of STATES) {
    for (const kind of ["marketplace", "parcel"]) {
      for (const courier of [null, { name: "Alva", vehicle: "bicycle" }]) {
        const text = order({ status, kind, courier });
        assert.notEqual(headline(text), "Your order is in progress", status);
        assert.notEqual(detail(text), "", status);
      }
    }
  }
  assert.equal(headline(order({ status: "preparing" })), "Your order is being prepared");
  assert.equal(detail(order({})), "Alva is coming to you by bicycle.");
  assert.equal(headline(order({ status: "a_new_state" })), "Your order is in progress");
});

Deno.test("detail() says when the courier is at the stop", () => {
  const recordedAt = "2026-11-20T17:20:00Z";
  const atPickup = { lat: 57.7003, lon: 11.95, recordedAt };
  const atDropoff = { lat: 57.6903, lon: 11.98, recordedAt };
  const preparing = order({ status: "preparing" });
  assert.equal(detail(preparing, atPickup), "Alva is there and waits for it.");
  assert.equal(detail(preparing, atDropoff), "Alva is on the way to collect it.");
  assert.equal(detail(order({}), atDropoff), "Alva is almost at the door.");
  assert.equal(detail(order({}), atPickup), "Alva is coming to you by bicycle.");
});

Deno.test("etaText() says the clock time and the minutes left", () => {
  assert.deepEqual(etaText(order({}), DUE_MS - 12 * 60_000, OPTIONS), {
    label: "Arrives about",
    clock: "18:42",
    note: "in 12 min",
  });
  assert.equal(etaText(order({}), DUE_MS - 31_000, OPTIONS)?.note, "in 1 min");
});

Deno.test("etaText() turns to any minute, then admits to be late, and never counts below zero", () => {
  assert.equal(etaText(order({}), DUE_MS - 29_000, OPTIONS)?.note, "any minute now");
  assert.equal(etaText(order({}), DUE_MS + 299_000, OPTIONS)?.note, "any minute now");
  assert.deepEqual(etaText(order({}), DUE_MS + 300_000, OPTIONS), {
    label: "Was expected at",
    clock: "18:42",
    note: "running late",
  });
});

Deno.test("etaText() gives the time of delivery once delivered, and nothing after other ends", () => {
  const stateTimes = { placed: "2026-11-20T17:00:00Z", delivered: "2026-11-20T17:39:20Z" };
  assert.deepEqual(etaText(order({ status: "delivered", stateTimes }), DUE_MS, OPTIONS), {
    label: "Handed over at",
    clock: "18:39",
    note: "after 39 min",
  });
  for (const status of ["cancelled", "failed", "expired", "returned", "returning"]) {
    assert.equal(etaText(order({ status }), DUE_MS, OPTIONS), null);
  }
  assert.equal(etaText(order({ estimatedDeliveryAt: null }), DUE_MS, OPTIONS), null);
  assert.equal(etaText(order({ estimatedDeliveryAt: "soon" }), DUE_MS, OPTIONS), null);
});

Deno.test("orderSteps() marks what is done, what happens now and what is to come", () => {
  const steps = orderSteps(order({
    status: "preparing",
    stateTimes: {
      placed: "2026-11-20T17:00:00Z",
      confirmed: "2026-11-20T17:01:00Z",
      preparing: "2026-11-20T17:02:00Z",
    },
  }));
  assert.deepEqual(steps.map(({ mark }) => mark), [
    "done",
    "done",
    "current",
    "todo",
    "todo",
    "todo",
    "todo",
  ]);
  assert.equal(steps[2]?.atMs, Date.parse("2026-11-20T17:02:00Z"));
  assert.equal(steps[3]?.atMs, null);
});

Deno.test("orderSteps() has nothing under way once delivered", () => {
  const steps = orderSteps(order({ status: "delivered" }));
  assert.ok(steps.every(({ mark }) => mark === "done"));
});

Deno.test("orderSteps() shows a detour in place of what no longer comes", () => {
  const cancelled = orderSteps(order({
    status: "cancelled",
    stateTimes: { placed: "2026-11-20T17:00:00Z", cancelled: "2026-11-20T17:05:00Z" },
  }));
  assert.deepEqual(cancelled.map(({ status, mark }) => `${status} ${mark}`), [
    "placed done",
    "cancelled bad",
  ]);
  const returning = orderSteps(order({
    status: "returning",
    stateTimes: {
      placed: "2026-11-20T17:00:00Z",
      in_transit: "2026-11-20T17:20:00Z",
      failed_attempt: "2026-11-20T17:40:00Z",
      returning: "2026-11-20T17:41:00Z",
    },
  }));
  assert.deepEqual(returning.map(({ status, mark }) => `${status} ${mark}`), [
    "placed done",
    "in_transit done",
    "failed_attempt bad",
    "returning current",
  ]);
});

Deno.test("orderSteps() leaves the merchant's states out of a parcel", () => {
  const states = orderSteps(order({ kind: "parcel", status: "placed" })).map((s) => s.status);
  assert.deepEqual(states, ["placed", "picked_up", "in_transit", "delivered"]);
});

Deno.test("isParcel() trusts the kind, and else what has happened", () => {
  assert.equal(isParcel(order({ kind: "parcel" })), true);
  assert.equal(isParcel(order({ kind: "marketplace", stateTimes: { picked_up: "x" } })), false);
  assert.equal(isParcel(order({ stateTimes: { picked_up: "x" } })), true);
  assert.equal(isParcel(order({ stateTimes: { picked_up: "x", confirmed: "x" } })), false);
  assert.equal(isParcel(order({})), false);
});

Deno.test("durationText() and distanceText() round as people do", () => {
  const durations = [0, 29_000, 90_000, 59 * 60_000, 60 * 60_000, 65 * 60_000].map(durationText);
  assert.deepEqual(durations, ["1 min", "1 min", "2 min", "59 min", "1 h", "1 h 05 min"]);
  const distances = [3, 84, 994, 995, 1_240, 9_949, 14_400].map(distanceText);
  assert.deepEqual(distances, ["10 m", "80 m", "990 m", "1.0 km", "1.2 km", "9.9 km", "14 km"]);
});

Deno.test("staleText() speaks up only after 15 seconds", () => {
  assert.equal(staleText(-2_000), null);
  assert.equal(staleText(15_000), null);
  assert.equal(staleText(16_400), "Position from 16 s ago");
  assert.equal(staleText(125_000), "Position from 2 min ago");
});

Deno.test("clockText() follows the reader's habit", () => {
  assert.equal(clockText(DUE_MS, OPTIONS), "18:42");
  const american = clockText(DUE_MS, { locale: "en-US", timeZone: "Europe/Stockholm" });
  assert.match(american, /^6:42.PM$/u);
});

Deno.test("shortOrderNumber() takes the part of the id that differs between neighbours", () => {
  assert.equal(shortOrderNumber("0192f3a4-7c1d-7e21-9b1a-4c2fd1b7c2e0"), "B7C2E0");
});
