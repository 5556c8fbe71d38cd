/** Where the robot courier is with an order of test mode, by how long it has had its state. Pure. */
import { destination } from "shared/geo/distance.ts";
import { alongRoute, polylineLengthM } from "shared/geo/polyline.ts";
import type { Point } from "shared/geo/point.ts";
import type { OrderState } from "shared/orders/lifecycle.ts";
import { ROBOT_STEP_MS } from "shared/orders/robot.ts";

/** How far from the pickup it sets out, to the north. */
const APPROACH_M = 400;

/** An order that the robot has. */
export interface RobotWalk {
  readonly status: OrderState;
  readonly pickup: Point;
  readonly dropoff: Point;
  /** Since the robot took the order. */
  readonly assignedMs: number;
  /** Since the order has its state. */
  readonly inStateMs: number;
}

export interface RobotPlace {
  readonly point: Point;
  /** Null where pickup and dropoff are one place. */
  readonly headingDeg: number | null;
  readonly speedMps: number;
}

/**
 * The robot goes straight from stop to stop, in the time between its steps: half of the way after
 * the pickup, the other half on the road, and the whole way back at once.
 */
export function robotPlace(walk: RobotWalk): RobotPlace {
  const { pickup, dropoff, assignedMs, inStateMs } = walk;
  const done = Math.min(1, Math.max(0, inStateMs / ROBOT_STEP_MS));
  switch (walk.status) {
    case "picked_up":
      return along([pickup, dropoff], done / 2, done < 1 ? 0.5 : 0);
    case "in_transit":
      return along([pickup, dropoff], 0.5 + done / 2, done < 1 ? 0.5 : 0);
    case "delivered":
    case "failed_attempt":
    case "failed":
      return along([pickup, dropoff], 1, 0);
    case "returning":
      return along([dropoff, pickup], done, done < 1 ? 1 : 0);
    case "returned":
      return along([dropoff, pickup], 1, 0);
    case "placed":
    case "confirmed":
    case "preparing":
    case "ready_for_pickup":
    case "cancelled":
    case "expired": {
      const came = Math.min(1, Math.max(0, assignedMs / ROBOT_STEP_MS));
      const start = destination(pickup, 0, APPROACH_M);
      return along([start, pickup], came, came < 1 ? 1 : 0);
    }
  }
}

/** @param perStep the part of the line that is covered in one step, for the speed. */
function along(line: readonly Point[], fraction: number, perStep: number): RobotPlace {
  const lengthM = polylineLengthM(line);
  const { point, headingDeg } = alongRoute(line, lengthM * fraction);
  const speedMps = Math.round(lengthM * perStep / (ROBOT_STEP_MS / 1_000) * 10) / 10;
  return { point, headingDeg, speedMps };
}
