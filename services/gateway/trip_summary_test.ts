import assert from "node:assert/strict";
import fc from "fast-check";
import { createSeededRandom } from "shared/city/seeded_random.ts";
import { destination, distanceM } from "shared/geo/distance.ts";
import type { Point } from "shared/geo/point.ts";
import { summariseTrips, type TrackPlace } from "./trip_summary.ts";

const START: Point = { lat: 57.7, lon: 11.95 };

/** Places at these seconds, that many metres to the east. */
function track(...places: readonly (readonly [s: number, eastM: number])[]): TrackPlace[] {
  return places.map(([s, eastM]) => ({
    ...destination(START, 90, eastM),
    recordedAtMs: s * 1_000,
  }));
}

Deno.test("summariseTrips() tells moving from standing, and counts stops", () => {
  const trip = summariseTrips([
    track([0, 0], [10, 80], [20, 160], [50, 165], [80, 158], [110, 160], [120, 250], [130, 340]),
  ]);
  assert.deepEqual(
    [trip.movingMs, trip.standingMs, trip.silentMs, trip.stops, trip.positions],
    [40_000, 90_000, 0, 1, 8],
  );
  assert.ok(Math.abs(trip.distanceM - 340) < 1, `${trip.distanceM}`);
  assert.ok(Math.abs((trip.maxSpeedMps ?? 0) - 9) < 0.05, `${trip.maxSpeedMps}`);
  assert.deepEqual([trip.startedAtMs, trip.endedAtMs], [0, 130_000]);
  assert.ok(distanceM(trip.end ?? START, destination(START, 90, 340)) < 0.01);
});

Deno.test("summariseTrips() takes short halts for moving, and who drifts while standing for one stop", () => {
  assert.equal(summariseTrips([track([0, 0], [10, 80], [60, 82], [70, 160])]).stops, 0);
  const drifting = Array.from({ length: 40 }, (_, i) => [i * 30, i * 3] as const);
  const trip = summariseTrips([track(...drifting)]);
  assert.equal(trip.stops, 1);
  assert.equal(trip.movingMs, 0);
});

Deno.test("summariseTrips() counts a silence neither as way nor as time standing", () => {
  const trip = summariseTrips([track([0, 0], [10, 80], [1_000, 9_000], [1_010, 9_080])]);
  assert.deepEqual([trip.movingMs, trip.standingMs, trip.silentMs], [20_000, 0, 990_000]);
  assert.ok(Math.abs(trip.distanceM - 160) < 1);
});

Deno.test("summariseTrips() adds up couriers who took an order over, without a way between them", () => {
  const first = track([0, 0], [10, 80]);
  const second = track([20, 5_000], [30, 5_080]);
  const trip = summariseTrips([first, [], second]);
  assert.ok(Math.abs(trip.distanceM - 160) < 1);
  assert.deepEqual([trip.startedAtMs, trip.endedAtMs, trip.positions], [0, 30_000, 4]);
});

Deno.test("summariseTrips() has no figures of nothing, and no speed of one place", () => {
  const nothing = summariseTrips([]);
  assert.deepEqual(
    [nothing.startedAtMs, nothing.start, nothing.distanceM, nothing.maxSpeedMps, nothing.positions],
    [undefined, undefined, 0, undefined, 0],
  );
  const one = summariseTrips([track([5, 0])]);
  assert.deepEqual([one.startedAtMs, one.endedAtMs, one.maxSpeedMps], [5_000, 5_000, undefined]);
});

Deno.test("summariseTrips() divides the whole time, and goes no farther than the track (property)", () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 2 ** 31 }), (seed) => {
    const random = createSeededRandom(seed);
    let [s, eastM] = [0, 0];
    const places = Array.from({ length: 100 }, () => {
      s += 1 + Math.floor(random() * (random() < 0.05 ? 400 : 30));
      eastM += random() < 0.5 ? 0 : random() * 200;
      return [s, eastM] as const;
    });
    const all = track(...places);
    const trip = summariseTrips([all]);
    const whole = (all.at(-1)?.recordedAtMs ?? 0) - (all[0]?.recordedAtMs ?? 0);
    assert.equal(trip.movingMs + trip.standingMs + trip.silentMs, whole);
    assert.ok(trip.distanceM <= eastM * 1.001);
    assert.ok(trip.stops <= trip.standingMs / 60_000);
  }));
});
