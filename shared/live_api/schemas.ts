import type { z } from "zod";
import {
  fixAnswerSchema,
  fixBatchAnswerSchema,
  fixBatchSchema,
  fixCodeSchema,
  fixSchema,
  osmAndFormSchema,
  ownTracksAnswerSchema,
  ownTracksSchema,
  pointCodeSchema,
  traccarSchema,
} from "./fix_schemas.ts";
import {
  channelMessageSchema,
  offerSchema,
  placeSchema,
  trackedCourierSchema,
  trackedOrderSchema,
  trackFrameSchema,
  trackPositionSchema,
} from "./track_schemas.ts";

/** Every named shape of ingest and the tracker. The names are API. */
export const LIVE_SCHEMAS: Readonly<Record<string, z.ZodType>> = {
  Fix: fixSchema,
  FixAnswer: fixAnswerSchema,
  FixBatch: fixBatchSchema,
  FixBatchAnswer: fixBatchAnswerSchema,
  FixCode: fixCodeSchema,
  PointCode: pointCodeSchema,
  OwnTracksMessage: ownTracksSchema,
  OwnTracksAnswer: ownTracksAnswerSchema,
  OsmAndForm: osmAndFormSchema,
  TraccarMessage: traccarSchema,
  TrackFrame: trackFrameSchema,
  TrackPosition: trackPositionSchema,
  TrackedCourier: trackedCourierSchema,
  TrackedOrder: trackedOrderSchema,
  ChannelMessage: channelMessageSchema,
  // As the gateway has them: a test holds the two together.
  Offer: offerSchema,
  Place: placeSchema,
};
