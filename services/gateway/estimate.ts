/** Until the ETA model exists: fixed allowances around the router's driving time. */

/** From the order to a courier who has accepted. */
const MATCH_S = 60;
/** The courier's way to the pickup, when nobody is chosen yet. */
const APPROACH_S = 300;
/** Handing over, at the pickup and at the door. */
const PICKUP_SERVICE_S = 60;
const DROPOFF_SERVICE_S = 60;

export interface EstimateInput {
  readonly nowMs: number;
  readonly preparationMinutes: number;
  readonly drivingS: number;
  /** Simulated time runs this much faster; matching does not (offers keep real time). */
  readonly speed: number;
}

/** When the order should be at the door: the later of kitchen and courier, then the way. */
export function estimateDelivery(input: EstimateInput): Date {
  const courierAtPickupS = MATCH_S + APPROACH_S / input.speed;
  const readyS = input.preparationMinutes * 60 / input.speed;
  const onTheWayS = (PICKUP_SERVICE_S + input.drivingS + DROPOFF_SERVICE_S) / input.speed;
  return new Date(input.nowMs + (Math.max(courierAtPickupS, readyS) + onTheWayS) * 1000);
}

/** How much longer than the estimate nine orders of ten may take, until arrivals are measured. */
const P90_FACTOR = 1.5;

/** The estimate as the middle of what may happen, and a time that is rarely passed. */
export function estimateQuote(input: EstimateInput): { readonly p50: Date; readonly p90: Date } {
  const p50 = estimateDelivery(input);
  const p90 = new Date(input.nowMs + (p50.getTime() - input.nowMs) * P90_FACTOR);
  return { p50, p90 };
}
