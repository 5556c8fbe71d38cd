import assert from "node:assert/strict";
import { createSeededRandom } from "shared/city/seeded_random.ts";
import { distanceM } from "shared/geo/distance.ts";
import { MAX_INDEXABLE_LAT, normalizeLonDeg, type Point } from "shared/geo/point.ts";
import { columnsOf, rowOf } from "./cells.ts";
import { type Found, MAX_FOUND, MAX_RADIUS_M, PointGrid } from "./point_grid.ts";

const bySlot = (slot: number, other: number) => slot < other;

/** The same question, by looking at everybody. */
function bruteForce(
  points: readonly (Point | undefined)[],
  center: Point,
  { radiusM, limit, accepts }: {
    radiusM: number;
    limit: number;
    accepts(slot: number): boolean;
  },
): Found[] {
  return points.flatMap((point, slot) => {
    if (point === undefined || !accepts(slot)) return [];
    const found = { slot, distanceM: distanceM(center, point) };
    return found.distanceM <= radiusM ? [found] : [];
  }).sort((a, b) => a.distanceM - b.distanceM || a.slot - b.slot).slice(0, limit);
}

interface World {
  readonly name: string;
  readonly count: number;
  /** A place of this world. */
  at(random: () => number): Point;
}

const clampLat = (lat: number) => Math.max(-MAX_INDEXABLE_LAT, Math.min(MAX_INDEXABLE_LAT, lat));

/** On the borders of cells and their corners, or a hair beside them. */
function onBorders(random: () => number): Point {
  const hair = [0, 1e-12, -1e-12, 1e-7, -1e-7];
  const nudge = () => hair[Math.floor(random() * hair.length)] ?? 0;
  const lat = 57.6 + Math.floor(random() * 20) / 200;
  const columns = columnsOf(rowOf(lat));
  const column = Math.floor((11.9 + 180) * columns / 360) + Math.floor(random() * 20);
  return { lat: lat + nudge(), lon: column * 360 / columns - 180 + nudge() };
}

const WORLDS: readonly World[] = [
  {
    name: "a city",
    count: 800,
    at: (random) => ({ lat: 57.55 + random() * 0.3, lon: 11.6 + random() * 0.56 }),
  },
  { name: "cell borders", count: 400, at: onBorders },
  {
    name: "high latitudes",
    count: 400,
    at: (random) => ({
      lat: (random() < 0.5 ? -1 : 1) * (84.2 + random() * (MAX_INDEXABLE_LAT - 84.2)),
      lon: random() < 0.5 ? -180 + random() * 360 : 10 + random() * 12,
    }),
  },
  {
    name: "the antimeridian",
    count: 400,
    at: (random) => ({
      lat: -17 + random() * 0.8,
      lon: random() < 0.1
        ? (random() < 0.5 ? -180 : 180)
        : normalizeLonDeg(180 + (random() - 0.5) * 0.8),
    }),
  },
  {
    name: "the high antimeridian",
    count: 300,
    at: (random) => ({
      lat: clampLat(84.5 + random()),
      lon: normalizeLonDeg(180 + (random() - 0.5) * 20),
    }),
  },
  {
    name: "a pole, where circles reach all around",
    count: 900,
    at: (random) => ({ lat: 90 - random() ** 2 * 1.2, lon: random() * 360 - 180 }),
  },
  {
    name: "the whole Earth",
    count: 300,
    at: (random) => ({
      lat: (random() * 2 - 1) * MAX_INDEXABLE_LAT,
      lon: random() * 360 - 180,
    }),
  },
  { name: "one spot", count: 60, at: (random) => ({ lat: 57.7, lon: random() < 0.8 ? 12 : 12.1 }) },
];

const RADII_M = [0, 40, 300, 1_000, 3_000, 10_000, 40_000, MAX_RADIUS_M];
const QUERIES = 10_500;

Deno.test("PointGrid agrees with brute force on 10,500 random queries while points move", () => {
  const seed = Math.floor(Math.random() * 2 ** 32);
  const random = createSeededRandom(seed);
  const pick = <Item>(items: readonly Item[]) => items[Math.floor(random() * items.length)] as Item;
  let found = 0;
  for (const { name, count, at } of WORLDS) {
    const grid = new PointGrid();
    const points: (Point | undefined)[] = Array.from({ length: count }, () => at(random));
    points.forEach((point, slot) => point !== undefined && grid.place(slot, point));
    for (let query = 0; query < QUERIES / WORLDS.length; query++) {
      for (let move = 0; move < 5; move++) {
        const slot = Math.floor(random() * count);
        const moved = random() < 0.05 ? undefined : at(random);
        points[slot] = moved;
        if (moved === undefined) grid.remove(slot);
        else grid.place(slot, moved);
      }
      const center = random() < 0.2 ? points[0] ?? at(random) : at(random);
      const share = pick([1, 1, 0.3, 0.02, 0]);
      const kind = Math.floor(random() * 1_000);
      const wanted = {
        radiusM: pick(RADII_M),
        limit: pick([1, 5, 20, 100]),
        accepts: (slot: number) => (slot * 7919 + kind) % 1_000 < share * 1_000,
        precedes: bySlot,
      };
      const answer = grid.nearest(center, wanted);
      const { radiusM, limit } = wanted;
      assert.deepEqual(
        answer,
        bruteForce(points, center, wanted),
        `seed ${seed}: ${name}, ${JSON.stringify({ center, radiusM, limit, share })}`,
      );
      found += answer.length;
    }
  }
  assert.ok(found > QUERIES, `seed ${seed}: only ${found} points were found`);
});

Deno.test("PointGrid holds more points than it began with, and forgets those taken out", () => {
  const grid = new PointGrid();
  const random = createSeededRandom(1);
  const points = Array.from(
    { length: 5_000 },
    () => ({ lat: random() * 0.2, lon: random() * 0.2 }),
  );
  points.forEach((point, slot) => grid.place(slot, point));
  assert.equal(grid.count, 5_000);
  for (let slot = 0; slot < 5_000; slot += 2) grid.remove(slot);
  grid.remove(0);
  assert.equal(grid.count, 2_500);
  const wanted = { radiusM: 5_000, limit: 50, accepts: () => true, precedes: bySlot };
  const left = points.map((point, slot) => slot % 2 === 0 ? undefined : point);
  const center = { lat: 0.1, lon: 0.1 };
  assert.deepEqual(grid.nearest(center, wanted), bruteForce(left, center, wanted));
  assert.equal(grid.find(0), undefined);
  assert.deepEqual(grid.find(1), points[1]);
});

Deno.test("PointGrid refuses a radius and a limit beyond their bounds, naming both", () => {
  const grid = new PointGrid();
  const ask = (radiusM: number, limit: number) => () =>
    grid.nearest({ lat: 0, lon: 0 }, {
      radiusM,
      limit,
      accepts: () => true,
      precedes: bySlot,
    });
  assert.throws(
    ask(MAX_RADIUS_M + 1, 1),
    /radiusM must be in \[0, 100000\]: current value is 100001/,
  );
  assert.throws(ask(NaN, 1), RangeError);
  assert.throws(ask(-1, 1), RangeError);
  assert.throws(ask(1, MAX_FOUND + 1), /limit must be in \[1, 1000\]: current value is 1001/);
  assert.throws(ask(1, 0), RangeError);
});
