/** Publishing beside subscribing and resuming, many times: the place where frames are lost. */
import assert from "node:assert/strict";
import { newOrder } from "../harness/dispatch_world.ts";
import { Background } from "../harness/background.ts";
import { PARTITION } from "../harness/outbox.ts";
import type { SocketViewer } from "../harness/track_viewer.ts";
import { type TrackerWorld, withTrackerWorld } from "../harness/tracker_world.ts";

const ROUNDS = 300;
const LANES = 6;
const FRAMES_EACH = 4;

/** Appends positions as fast as Redis answers; the n-th goes at n m/s. */
async function publishUntil(
  signal: AbortSignal,
  world: TrackerWorld,
  orderId: string,
): Promise<void> {
  const { trackLog } = world.tracker;
  for (let n = 1; !signal.aborted; n++) {
    const position = { lat: 57.7, lon: 11.9, speedMps: n, recordedAt: "2026-01-01T00:00:00.000Z" };
    const body = { type: "position", position };
    const isAppended = await trackLog.append(PARTITION, orderId, {
      kind: "position",
      version: n,
      body,
    });
    assert.equal(isAppended, true);
  }
}

/** Every frame of n m/s has the number that the log gave to n. */
function assertContent(viewer: SocketViewer): void {
  for (const { type, seq, position } of viewer.frames) {
    if (type === "resumed" || position === null) continue;
    assert.equal((position as { speedMps: number }).speedMps, seq, `${type} ${seq}`);
  }
}

/** One viewer: comes, hears some frames, goes; every second one comes back for what it missed. */
async function round(world: TrackerWorld, orderId: string, since?: string): Promise<string> {
  const viewer = await world.view(orderId, since === undefined ? {} : { since });
  await viewer.until(1 + FRAMES_EACH);
  assert.equal(viewer.closing, undefined, "sent away in the middle");
  await viewer.close();
  assert.equal(viewer.frames[0]?.type, since === undefined ? "snapshot" : "resumed");
  if (since !== undefined) {
    assert.equal(`${viewer.frames[0]?.epoch}:${viewer.frames[0]?.seq}`, since);
  }
  assert.equal(viewer.disorder, undefined);
  assertContent(viewer);
  return viewer.cursor;
}

Deno.test(`viewers see no gap, no repeat and no disorder in ${ROUNDS} rounds beside a publisher`, async () => {
  await withTrackerWorld(async (world) => {
    const orderId = await newOrder(world.dispatch, { kind: "parcel" });
    await world.tracker.trackLog.watch(PARTITION, orderId);
    await using publisher = new Background();
    publisher.run((signal) => publishUntil(signal, world, orderId));
    let rounds = 0;
    await Promise.all(Array.from({ length: LANES }, async () => {
      let since: string | undefined;
      while (rounds < ROUNDS) {
        rounds++;
        const cursor = await round(world, orderId, since);
        since = since === undefined ? cursor : undefined;
      }
    }));
    await publisher.stop();
    const { seq } = await world.tracker.trackLog.head(PARTITION, orderId);
    console.log(`${rounds} viewers beside ${seq} frames`);
  });
});
