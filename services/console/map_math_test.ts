import assert from "node:assert/strict";
import { decodeLine, drawableMap } from "shared/streets/drawable_map.ts";
import { gridStreets } from "shared/streets/grid_streets.ts";
import { buildStreetNetwork } from "shared/streets/street_network.ts";
import { isSettled, nextGoal, stepCamera } from "./public/camera.js";
import { pickDropoff } from "./public/demo_order.js";
import {
  distanceM,
  fitPoints,
  MAX_ZOOM,
  panBy,
  project,
  toScreen,
  toWorld,
  unproject,
  zoomAround,
} from "./public/projection.js";
import { decodeDrawableMap } from "./public/street_map.js";
import { widthAt } from "./public/street_painter.js";
import type { MapView } from "./track_types.ts";

const GOTHENBURG = { lat: 57.7, lon: 11.97 };
const VIEW: MapView = { center: project(GOTHENBURG), zoom: 14, widthPx: 400, heightPx: 300 };
const PADDING = { topPx: 40, rightPx: 60, bottomPx: 40, leftPx: 20 };

function near(a: number, b: number, tolerance: number): void {
  assert.ok(Math.abs(a - b) <= tolerance, `${a} is not within ${tolerance} of ${b}`);
}

Deno.test("project() agrees with EPSG:3857 and unproject() is its way back", () => {
  const world = project({ lat: 57.7, lon: 11.97 });
  // The other form of the northing: radius * artanh(sin(lat)).
  near(world.x, 6_378_137 * 11.97 * Math.PI / 180, 1e-6);
  near(world.y, -6_378_137 * Math.atanh(Math.sin(57.7 * Math.PI / 180)), 1e-6);
  const back = unproject(world);
  near(back.lat, 57.7, 1e-10);
  near(back.lon, 11.97, 1e-10);
});

Deno.test("toWorld() is the way back from toScreen()", () => {
  const screen = { x: 37, y: 211 };
  const back = toScreen(VIEW, toWorld(VIEW, screen));
  near(back.x, 37, 1e-6);
  near(back.y, 211, 1e-6);
});

Deno.test("panBy() keeps what is under the finger under it", () => {
  const held = toWorld(VIEW, { x: 100, y: 100 });
  const at = toScreen(panBy(VIEW, 25, -40), held);
  near(at.x, 125, 1e-6);
  near(at.y, 60, 1e-6);
});

Deno.test("zoomAround() keeps the anchor in its place, and stops at the nearest zoom", () => {
  const anchor = { x: 350, y: 20 };
  const held = toWorld(VIEW, anchor);
  const at = toScreen(zoomAround(VIEW, 16.5, anchor), held);
  near(at.x, 350, 1e-6);
  near(at.y, 20, 1e-6);
  assert.equal(zoomAround(VIEW, 40, anchor).zoom, MAX_ZOOM);
});

Deno.test("fitPoints() shows all points inside the padding and no nearer than asked", () => {
  const points = [GOTHENBURG, { lat: 57.71, lon: 11.95 }, { lat: 57.69, lon: 12.02 }].map(project);
  const view = fitPoints(VIEW, points, { padding: PADDING, maxZoom: 16 });
  for (const point of points) {
    const { x, y } = toScreen(view, point);
    assert.ok(x >= 20 - 1e-6 && x <= 340 + 1e-6 && y >= 40 - 1e-6 && y <= 260 + 1e-6, `${x} ${y}`);
  }
  const alone = fitPoints(VIEW, points.slice(0, 1), { padding: PADDING, maxZoom: 16 });
  assert.equal(alone.zoom, 16);
  near(toScreen(alone, project(GOTHENBURG)).x, 180, 1e-6);
  near(toScreen(alone, project(GOTHENBURG)).y, 150, 1e-6);
  assert.equal(fitPoints(VIEW, [], { padding: PADDING, maxZoom: 16 }), VIEW);
});

Deno.test("distanceM() agrees with a known great circle", () => {
  // One degree of latitude on the mean sphere.
  near(distanceM({ lat: 57, lon: 12 }, { lat: 58, lon: 12 }), 111_195.08, 0.1);
});

Deno.test("nextGoal() stays put while the courier is well inside, and moves when it nears the edge", () => {
  const dropoff = project(GOTHENBURG);
  const options = { mode: "fit" as const, padding: PADDING, force: false };
  const start = { x: dropoff.x - 1_500, y: dropoff.y };
  const goal = nextGoal(VIEW, {
    ...options,
    points: [start, dropoff],
    courier: start,
    force: true,
  });
  const closer = { x: dropoff.x - 1_300, y: dropoff.y };
  assert.equal(nextGoal(goal, { ...options, points: [closer, dropoff], courier: closer }), goal);
  const gone = { x: dropoff.x - 2_500, y: dropoff.y };
  const moved = nextGoal(goal, { ...options, points: [gone, dropoff], courier: gone });
  assert.ok(moved.zoom < goal.zoom);
  const close = { x: dropoff.x - 300, y: dropoff.y };
  const nearer = nextGoal(goal, { ...options, points: [close, dropoff], courier: close });
  assert.ok(nearer.zoom > goal.zoom + 0.7);
});

Deno.test("nextGoal() centres the courier when following, and leaves a free map alone", () => {
  const courier = project(GOTHENBURG);
  const shared = { points: [courier], courier, padding: PADDING, force: false };
  assert.deepEqual(nextGoal(VIEW, { ...shared, mode: "follow" }).center, courier);
  assert.equal(nextGoal(VIEW, { ...shared, mode: "free" }), VIEW);
});

Deno.test("stepCamera() arrives at the goal itself within two seconds", () => {
  const goal = { ...VIEW, zoom: 16, center: { x: VIEW.center.x + 900, y: VIEW.center.y } };
  let view: MapView = VIEW;
  for (let frame = 0; frame < 120 && view !== goal; frame++) view = stepCamera(view, goal, 16.7);
  assert.equal(view, goal);
  assert.ok(isSettled(view, goal));
});

Deno.test("decodeDrawableMap() reads what drawableMap() writes", () => {
  const streets = gridStreets({
    origin: { lat: 57.69, lon: 11.95 },
    rows: 4,
    columns: 5,
    blockM: 120,
    oneWayEvery: 0,
    maxSpeedKmh: 40,
  });
  const map = drawableMap(buildStreetNetwork(streets, "somebody's streets"));
  const decoded = decodeDrawableMap(JSON.parse(JSON.stringify(map)));
  assert.equal(decoded.attribution, "somebody's streets");
  assert.equal(decoded.lines.length, map.lines.length);
  decoded.lines.forEach((line, index) => {
    const original = map.lines[index];
    assert.ok(original !== undefined);
    assert.equal(line.mapClass, original.class);
    const points = decodeLine(map, original);
    assert.equal(line.points.length, points.length);
    line.points.forEach((point, i) => {
      const { lat, lon } = unproject(point);
      near(lat, points[i]?.lat ?? NaN, 1e-9);
      near(lon, points[i]?.lon ?? NaN, 1e-9);
    });
  });
});

Deno.test("decodeDrawableMap() refuses another version and leaves out lines it cannot read", () => {
  assert.throws(() => decodeDrawableMap({ version: 2 }), /version must be 1: 2/);
  assert.throws(() => decodeDrawableMap(null), TypeError);
  const { lines } = decodeDrawableMap({
    version: 1,
    bounds: { south: 57, west: 11, north: 58, east: 12 },
    unitsPerDegree: 1e5,
    lines: [
      { class: "canal", points: [0, 0, 1, 1] },
      { class: "street", points: [0, 0] },
      { class: "street", name: "Row 1", points: [0, 0, 100, 0] },
    ],
  });
  assert.deepEqual(lines.map(({ name }) => name), ["Row 1"]);
});

Deno.test("widthAt() grows with the zoom and hides small streets far out", () => {
  assert.equal(widthAt("path", 11), 0);
  assert.equal(widthAt("street", 10), 0);
  for (const mapClass of ["motorway", "main", "street", "service", "path"]) {
    const widths = [10, 11, 12, 13, 14, 15, 16, 17, 18, 19].map((zoom) => widthAt(mapClass, zoom));
    assert.ok(widths.every((width, i) => i === 0 || width >= (widths[i - 1] ?? 0)), mapClass);
  }
  near(widthAt("street", 14), 1.7, 1e-9);
});

Deno.test("pickDropoff() takes a corner of a small street within reach", () => {
  const bounds = { south: 57.6, west: 11.8, north: 57.8, east: 12.1 };
  const at = (lat: number, lon: number) => project({ lat, lon });
  const lines = [
    { mapClass: "main", name: "", points: [at(57.708, 11.97), at(57.709, 11.97)] },
    { mapClass: "street", name: "", points: [at(57.7001, 11.97), at(57.709, 11.98)] },
    { mapClass: "street", name: "", points: [at(57.79, 11.97), at(57.9, 11.97)] },
  ];
  const dropoff = pickDropoff(lines, { from: GOTHENBURG, bounds, random: () => 0.99 });
  assert.deepEqual(dropoff, { lat: 57.709, lon: 11.98 });
});

Deno.test("pickDropoff() finds a place at the same distance without a map", () => {
  const bounds = { south: 57.6, west: 11.8, north: 57.8, east: 12.1 };
  for (const share of [0, 0.3, 0.7, 0.999]) {
    const dropoff = pickDropoff([], { from: GOTHENBURG, bounds, random: () => share });
    const awayM = distanceM(GOTHENBURG, dropoff);
    assert.ok(awayM > 490 && awayM < 1_810, String(awayM));
  }
});
