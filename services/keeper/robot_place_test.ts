import { deepStrictEqual, ok } from "node:assert/strict";
import { distanceM } from "shared/geo/distance.ts";
import { ORDER_STATES } from "shared/orders/lifecycle.ts";
import { ROBOT_STEP_MS } from "shared/orders/robot.ts";
import { robotPlace, type RobotWalk } from "./robot_place.ts";

const pickup = { lat: 57.7, lon: 11.9 };
const dropoff = { lat: 57.71, lon: 11.91 };
const walk = (changes: Partial<RobotWalk>): RobotWalk => ({
  status: "picked_up",
  pickup,
  dropoff,
  assignedMs: 60_000,
  inStateMs: 0,
  ...changes,
});

Deno.test("robotPlace() leads from the pickup to the dropoff without a jump, and waits there", () => {
  const far = distanceM(pickup, dropoff);
  const at = (status: RobotWalk["status"], inStateMs: number) =>
    distanceM(robotPlace(walk({ status, inStateMs })).point, pickup) / far;
  const way = [
    at("picked_up", 0),
    at("picked_up", ROBOT_STEP_MS / 2),
    at("picked_up", ROBOT_STEP_MS),
    at("in_transit", 0),
    at("in_transit", ROBOT_STEP_MS / 2),
    at("in_transit", ROBOT_STEP_MS * 3),
    at("delivered", 0),
  ].map((part) => Math.round(part * 100) / 100);
  deepStrictEqual(way, [0, 0.25, 0.5, 0.5, 0.75, 1, 1]);
});

Deno.test("robotPlace() comes to the pickup while the goods are made, and goes back with what nobody took", () => {
  const start = robotPlace(walk({ status: "preparing", assignedMs: 0 }));
  ok(Math.abs(distanceM(start.point, pickup) - 400) < 1);
  ok(start.speedMps > 0);
  const there = robotPlace(walk({ status: "ready_for_pickup", assignedMs: ROBOT_STEP_MS }));
  ok(distanceM(there.point, pickup) < 1);
  deepStrictEqual(there.speedMps, 0);
  const back = robotPlace(walk({ status: "returning", inStateMs: ROBOT_STEP_MS }));
  ok(distanceM(back.point, pickup) < 1);
});

Deno.test("robotPlace() is a place in every state, also where clocks disagree", () => {
  for (const status of ORDER_STATES) {
    for (const ms of [-5_000, 0, 1e9]) {
      const { point, headingDeg, speedMps } = robotPlace(
        walk({ status, inStateMs: ms, assignedMs: ms }),
      );
      ok([point.lat, point.lon, headingDeg ?? 0, speedMps].every(Number.isFinite), status);
    }
  }
});
