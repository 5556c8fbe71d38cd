import {
  fixAnswerSchema,
  fixBatchAnswerSchema,
  fixBatchSchema,
  fixSchema,
  osmAndFormSchema,
  ownTracksAnswerSchema,
  ownTracksSchema,
  traccarSchema,
} from "shared/live_api/fix_schemas.ts";
import { channelMessageSchema, trackFrameSchema } from "shared/live_api/track_schemas.ts";
import { type Example, example, examples, ID } from "./example.ts";

const KEY = "hxm_live_exampleprefix_example-of-a-secret-that-opens-nothing-0000";
const POSITION = {
  lat: 57.6986,
  lon: 11.9601,
  accuracyM: 8,
  headingDeg: 45,
  speedMps: 6.2,
  recordedAt: "2026-03-02T12:20:05.000Z",
};
const EARLIER = { lat: 57.6983, lon: 11.9592, recordedAt: "2026-03-02T12:20:02.000Z" };
const PICKUP = { lat: 57.6941, lon: 11.9527, address: "Linnégatan 8" };
const DROPOFF = { lat: 57.7006, lon: 11.9682, address: "Vasagatan 12" };
const EPOCH = "1.0195a1c3-0000-7b92-8f70-7a6b5c4d3e01";
const COURIER = { name: "Bo Ek", vehicle: "bicycle" } as const;

export const LIVE_EXAMPLES: Readonly<Record<string, Example>> = {
  Fix: example(fixSchema, POSITION),
  FixAnswer: examples(fixAnswerSchema, {
    accepted: { accepted: true },
    notKept: { accepted: false, reason: "stale" },
    withoutRedis: { accepted: true, degraded: true },
  }),
  FixBatch: example(fixBatchSchema, { positions: [EARLIER, POSITION] }),
  FixBatchAnswer: examples(fixBatchAnswerSchema, {
    accepted: { accepted: 2, results: ["accepted", "accepted"] },
    inPart: {
      accepted: 1,
      results: ["accepted", "malformed"],
      errors: [{ field: "positions.1.lat", bound: "must be <= 85.05112878", value: 99 }],
    },
  }),
  OwnTracksMessage: example(ownTracksSchema, {
    _type: "location",
    lat: 57.6986,
    lon: 11.9601,
    acc: 8,
    vel: 22,
    cog: 45,
    tst: 1772454005,
    tid: "bo",
  }),
  OwnTracksAnswer: example(ownTracksAnswerSchema, []),
  OsmAndForm: example(osmAndFormSchema, {
    id: KEY,
    lat: 57.6986,
    lon: 11.9601,
    timestamp: 1772454005,
    speed: 12,
    bearing: 45,
  }),
  TraccarMessage: example(traccarSchema, {
    device_id: KEY,
    location: {
      timestamp: "2026-03-02T12:20:05.000Z",
      coords: { latitude: 57.6986, longitude: 11.9601, accuracy: 8, heading: 45, speed: 6.2 },
    },
  }),
  TrackFrame: examples(trackFrameSchema, {
    snapshot: {
      type: "snapshot",
      epoch: EPOCH,
      seq: 7,
      order: {
        id: ID.order,
        regionId: "gothenburg",
        kind: "parcel",
        status: "picked_up",
        version: 5,
        stateTimes: { placed: "2026-03-02T12:00:00.000Z", picked_up: "2026-03-02T12:15:00.000Z" },
        pickup: PICKUP,
        dropoff: DROPOFF,
        estimatedDeliveryAt: "2026-03-02T12:30:00.000Z",
        courier: COURIER,
      },
      position: POSITION,
      parcelPosition: null,
    },
    parcelPosition: { type: "parcel_position", epoch: EPOCH, seq: 10, position: EARLIER },
    position: { type: "position", epoch: EPOCH, seq: 8, position: POSITION },
    status: {
      type: "status",
      epoch: EPOCH,
      seq: 9,
      at: "2026-03-02T12:20:30.000Z",
      version: 6,
      status: "in_transit",
    },
    courier: {
      type: "courier",
      epoch: EPOCH,
      seq: 4,
      at: "2026-03-02T12:10:00.000Z",
      version: 3,
      courier: COURIER,
    },
    resumed: { type: "resumed", epoch: EPOCH, seq: 7, recovered: true },
  }),
  ChannelMessage: examples(channelMessageSchema, {
    offers: { type: "offers", offers: [] },
    made: {
      type: "offer.made",
      offer: {
        id: ID.offer,
        orderId: ID.order,
        attempt: 1,
        distanceToPickupM: 420,
        distanceM: 1300,
        expiresAt: "2026-03-02T12:05:30.000Z",
        pickup: PICKUP,
        dropoff: DROPOFF,
      },
    },
    closed: { type: "offer.closed", offerId: ID.offer, orderId: ID.order, reason: "expired" },
    status: { type: "order.status", orderId: ID.order, status: "ready_for_pickup" },
    assigned: { type: "assignment.created", orderId: ID.order, assignmentId: ID.assignment },
    ended: { type: "assignment.ended", orderId: ID.order, reason: "delivered" },
  }),
};
