import {
  arrivalSchema,
  assignmentSchema,
  courierSchema,
  courierStatsSchema,
  dispatcherProfileSchema,
  earningsSchema,
  nearestCouriersSchema,
  planShiftSchema,
  profileSchema,
  shiftSchema,
  stopJsonSchema,
} from "../courier_schemas.ts";
import { offerSchema } from "../schemas.ts";
import { type Example, example, ID } from "./example.ts";
import { ORDER } from "./order_examples.ts";

const PICKUP = { lat: 57.6941, lon: 11.9527, address: "Linnégatan 8" };
const DROPOFF = { lat: 57.7006, lon: 11.9682, address: "Vasagatan 12" };
const SHIFT = {
  startsAt: "2026-03-02T10:00:00.000Z",
  endsAt: "2026-03-02T18:00:00.000Z",
  breaks: [{ startsAt: "2026-03-02T14:00:00.000Z", endsAt: "2026-03-02T14:30:00.000Z" }],
};

/** Earnings that add up. */
function sums(deliveries: number) {
  const [deliveryMinor, tipMinor, cancellationMinor] = [4900 * deliveries, 300 * deliveries, 0];
  const totalMinor = deliveryMinor + tipMinor + cancellationMinor;
  return { deliveries, deliveryMinor, tipMinor, cancellationMinor, totalMinor };
}

export const COURIER_EXAMPLES: Readonly<Record<string, Example>> = {
  Courier: example(courierSchema, {
    id: ID.courier,
    name: "Bo Ek",
    regionId: "gothenburg",
    vehicle: "bicycle",
    capacity: 2,
    activeAssignments: 1,
    maxLoadG: null,
    skills: ["food"],
    status: "busy",
    rating: 4.8,
    version: 7,
  }),
  CourierProfile: example(profileSchema, { vehicle: "bicycle", capacity: 2, maxLoadG: 12000 }),
  CourierProfileByDispatcher: example(dispatcherProfileSchema, { skills: ["food", "medicine"] }),
  Assignment: example(assignmentSchema, { id: ID.assignment, orderId: ID.order, order: ORDER }),
  Arrival: example(arrivalSchema, { stop: "pickup" }),
  CourierStop: example(stopJsonSchema, {
    sequence: 1,
    kind: "pickup",
    orderId: ID.order,
    place: PICKUP,
    note: null,
    arrivedAt: null,
    cashMinor: 0,
    currency: "SEK",
  }),
  PlanShift: example(planShiftSchema, SHIFT),
  Shift: example(shiftSchema, { id: ID.shift, ...SHIFT }),
  Earnings: example(earningsSchema, {
    currency: "SEK",
    timeZone: "Europe/Stockholm",
    today: sums(6),
    week: sums(31),
    month: sums(120),
  }),
  NearestCouriers: example(nearestCouriersSchema, {
    source: "grid",
    regionId: "gothenburg",
    radiusM: 5000,
    items: [{
      courierId: ID.courier,
      position: { lat: 57.6951, lon: 11.9541 },
      distanceM: 139.8,
      heardAgoMs: 2140,
      vehicle: "bicycle",
      capacity: 2,
      activeAssignments: 1,
      skills: ["food"],
      rating: 4.8,
      fleetMerchantId: null,
      version: 7,
    }],
  }),
  CourierStats: example(courierStatsSchema, {
    days: 30,
    offers: 140,
    acceptanceRate: 0.9,
    assignments: 126,
    completionRate: 0.99,
    averageRating: 4.8,
    ratings: 54,
  }),
  Offer: example(offerSchema, {
    id: ID.offer,
    orderId: ID.order,
    attempt: 1,
    distanceToPickupM: 620,
    distanceM: 1840,
    expiresAt: "2026-03-02T12:01:40.000Z",
    pickup: PICKUP,
    dropoff: DROPOFF,
  }),
};
