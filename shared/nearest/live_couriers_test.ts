import assert from "node:assert/strict";
import { HIDDEN_AFTER_MS } from "shared/availability/cleaning.ts";
import type { StreamedCourier } from "shared/availability/streamed_fixes.ts";
import { LiveCouriers } from "./live_couriers.ts";
import type { CourierFilter, CourierProfile } from "./nearest_couriers.ts";

const CENTER = { lat: 57.7, lon: 11.9 };

function heard(courierId: string, changes: Partial<StreamedCourier> = {}): StreamedCourier {
  return {
    courierId,
    status: "available",
    version: 1,
    isReturning: false,
    receivedAtMs: 0,
    fixes: [],
    place: { recordedAtMs: 0, ...CENTER },
    ...changes,
  };
}

function profile(id: string, changes: Partial<CourierProfile> = {}): CourierProfile {
  return {
    id,
    vehicle: "bicycle",
    capacity: 2,
    activeAssignments: 0,
    skills: [],
    rating: 4.7,
    fleet: null,
    status: "available",
    version: 1,
    ...changes,
  };
}

function idsOf(live: LiveCouriers, filter: CourierFilter = {}, nowMs = 0): string[] {
  return live.nearest({ center: CENTER, radiusM: 1_000, limit: 20, filter }, nowMs)
    .map((courier) => courier.profile.id);
}

/** Couriers `a`, `b`, ... as given, all at the centre. */
function liveOf(profiles: readonly CourierProfile[]): LiveCouriers {
  const live = new LiveCouriers();
  live.apply(profiles.map(({ id }) => heard(id)));
  for (const one of profiles) live.noteProfile(one);
  return live;
}

Deno.test("LiveCouriers finds those at the same place by their ids", () => {
  assert.deepEqual(idsOf(liveOf([profile("c"), profile("a"), profile("b")])), ["a", "b", "c"]);
});

Deno.test("LiveCouriers leaves out whoever lacks something the filter asks for", () => {
  const live = liveOf([
    profile("car", { vehicle: "car" }),
    profile("good", { rating: 4.9 }),
    profile("room", { capacity: 3 }),
    profile("shop", { fleet: "m1" }),
    profile("trained", { skills: ["food", "medicine"] }),
  ]);
  assert.deepEqual(idsOf(live, { vehicles: ["car", "van"] }), ["car"]);
  assert.deepEqual(idsOf(live, { minRating: 4.8 }), ["good"]);
  assert.equal(idsOf(live, { minRating: 4.7 }).length, 5, "a rating at the bound");
  assert.deepEqual(idsOf(live, { minFreeCapacity: 3 }), ["room"]);
  assert.deepEqual(idsOf(live, { fleet: "m1" }), ["shop"]);
  assert.deepEqual(idsOf(live, { skills: ["medicine", "food"] }), ["trained"]);
  assert.deepEqual(idsOf(live, { skills: ["medicine"], vehicles: ["car"] }), []);
  assert.equal(idsOf(live).length, 5);
});

Deno.test("LiveCouriers leaves out who is silent, comes back, or is not known yet", () => {
  const live = liveOf([profile("a")]);
  assert.deepEqual(idsOf(live, {}, HIDDEN_AFTER_MS - 1), ["a"]);
  assert.deepEqual(idsOf(live, {}, HIDDEN_AFTER_MS), []);
  live.apply([heard("a", { isReturning: true })]);
  assert.deepEqual(idsOf(live), []);
  assert.equal(live.find("a")?.receivedAtMs, -Infinity);
  live.apply([heard("stranger")]);
  assert.deepEqual(idsOf(live), []);
  live.noteProfile(profile("nowhere"));
  assert.deepEqual(idsOf(live), []);
  assert.equal(live.find("nowhere"), undefined);
});

Deno.test("LiveCouriers believes the status with the highest version, whoever tells it first", () => {
  const live = liveOf([profile("a", { version: 3 })]);
  live.noteStatus({ courierId: "a", status: "busy", version: 2 });
  assert.deepEqual(idsOf(live), ["a"]);
  live.noteStatus({ courierId: "a", status: "busy", version: 4, activeAssignments: 2 });
  live.apply([heard("a", { status: "available", version: 3 })]);
  live.noteProfile(profile("a", { version: 3 }));
  assert.deepEqual(idsOf(live), []);
  live.apply([heard("a", { status: "available", version: 5 })]);
  live.noteStatus({ courierId: "a", status: "available", version: 5, activeAssignments: 1 });
  const [courier] = live.nearest({ center: CENTER, radiusM: 1, limit: 1, filter: {} }, 0);
  assert.equal(courier?.profile.version, 5);
  assert.equal(courier?.profile.activeAssignments, 1);
  assert.deepEqual(idsOf(live, { minFreeCapacity: 2 }), []);
});

Deno.test("LiveCouriers moves a courier with a fix and keeps it where it is with a heartbeat", () => {
  const live = liveOf([profile("a")]);
  live.apply([heard("a", { place: { recordedAtMs: 1, lat: 57.8, lon: 11.9 } })]);
  live.apply([heard("a", { place: undefined, receivedAtMs: 5 })]);
  assert.deepEqual(live.find("a"), { point: { lat: 57.8, lon: 11.9 }, receivedAtMs: 5 });
  assert.deepEqual(idsOf(live), []);
});

Deno.test("LiveCouriers takes a place from elsewhere only where it is newer", () => {
  const live = liveOf([profile("a")]);
  const note = (receivedAtMs: number, lat: number) =>
    live.note("a", { point: { lat, lon: 11.9 }, receivedAtMs, isReturning: false });
  note(0, 10);
  assert.equal(live.find("a")?.point.lat, CENTER.lat);
  note(1, 20);
  assert.deepEqual(live.find("a"), { point: { lat: 20, lon: 11.9 }, receivedAtMs: 1 });
  live.note("b", { point: CENTER, receivedAtMs: -9_000, isReturning: true });
  assert.deepEqual(live.find("b")?.point, CENTER);
});

Deno.test("LiveCouriers tells Redis's times on this process's clock", () => {
  const live = new LiveCouriers();
  live.syncClock(1_700_000_000_000, 5_000);
  live.apply([heard("a", { receivedAtMs: 1_700_000_000_250 })]);
  assert.equal(live.find("a")?.receivedAtMs, 5_250);
});

Deno.test("LiveCouriers forgets who was silent for an hour, and gives the room to others", () => {
  const live = liveOf([profile("a"), profile("b")]);
  const hourMs = 3_600_000;
  live.apply([heard("b", { receivedAtMs: 10 })]);
  live.prune(hourMs + 5);
  assert.equal(live.find("a"), undefined);
  assert.equal(live.hasProfile("a"), false);
  assert.equal(live.count, 1);
  live.apply([heard("c", { receivedAtMs: 10 })]);
  live.noteProfile(profile("c"));
  assert.deepEqual(idsOf(live), ["b", "c"]);
});
