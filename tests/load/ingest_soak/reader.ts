/**
 * A reader of the positions stream, as dispatch is one: it applies what it reads to the grid, and
 * measures how long after a fix was recorded that was. It also notes which fixes stood on the
 * stream, which is what the history and every other consumer is given.
 */
import { parseStreamedCouriers, type StreamedCourier } from "shared/availability/streamed_fixes.ts";
import { pause, withTimeout } from "shared/clock/timeout.ts";
import { silentLog } from "shared/log/log.ts";
import { connectRedisBlocking } from "shared/redis/connect.ts";
import { partitionOf, redisKeys } from "shared/redis/keys.ts";
import { answer, readSettings, toldLines } from "../harness/child.ts";
import { REGION, type Sender } from "../ingest/settings.ts";
import { applyToGrid } from "./grid.ts";
import { Histogram } from "./histogram.ts";
import { SlotBits } from "./ledger.ts";
import { LEDGER_FILES, type ReaderFigures, type ReaderSettings } from "./settings.ts";
import { Timetable } from "./timetable.ts";

const BLOCK_MS = 1_000;
const READ_TIMEOUT_MS = BLOCK_MS + 3_000;
const READ_COUNT = 500;
const RETRY_MS = 500;

const settings = readSettings<ReaderSettings>();
const senders = JSON.parse(await Deno.readTextFile(settings.sendersFile)) as Sender[];
const phoneOf = new Map(senders.map(({ id }, phone) => [id, phone]));
const streamed = new SlotBits(senders.length, settings.maxSlots);
const newestMs = new Float64Array(senders.length);
const delays = new Histogram();
let timetable = new Timetable(senders.length, 0, settings.seed);

/** Applies an entry, then looks at the clock: from here on a search would find it. */
function take(couriers: readonly StreamedCourier[]): void {
  applyToGrid(couriers);
  const nowMs = Date.now();
  for (const { courierId, fixes, place } of couriers) {
    const phone = phoneOf.get(courierId);
    if (phone === undefined) continue;
    for (const { fix } of fixes) streamed.set(phone, timetable.slotOf(fix.recordedAtMs));
    if (place === undefined || place.recordedAtMs <= (newestMs[phone] ?? 0)) continue;
    newestMs[phone] = place.recordedAtMs;
    // Its phone may hold it back: it is the newest then where the one that overtook it was a jump.
    const conduct = timetable.conduct(phone, timetable.slotOf(place.recordedAtMs));
    if (conduct !== "reorder") delays.add(nowMs - place.recordedAtMs);
  }
}

async function follow(): Promise<void> {
  const redis = connectRedisBlocking(settings.redisUrl, { name: "soak-reader", log: silentLog });
  await redis.connect();
  const stream = redisKeys(settings.prefix).positions(partitionOf(REGION, 0));
  let lastId = "0-0";
  while (true) {
    try {
      const asked = redis.xread("COUNT", READ_COUNT, "BLOCK", BLOCK_MS, "STREAMS", stream, lastId);
      const reply = await withTimeout("XREAD", READ_TIMEOUT_MS, asked);
      for (const [id, fields] of reply?.[0]?.[1] ?? []) {
        lastId = id;
        take(
          parseStreamedCouriers({
            [fields[0] ?? ""]: fields[1] ?? "",
            [fields[2] ?? ""]: fields[3] ?? "",
          }),
        );
      }
    } catch {
      // Redis is restarted on purpose; what stood on the stream is there again.
      if (redis.status === "ready") redis.disconnect(true);
      await pause(RETRY_MS);
    }
  }
}

function figures(): ReaderFigures {
  const told = {
    moves: delays.total,
    p50Ms: delays.quantile(0.5),
    p99Ms: delays.quantile(0.99),
    maxMs: delays.maxMs,
  };
  delays.clear();
  return told;
}

for await (const line of toldLines()) {
  const [word, first = ""] = line.split(" ");
  if (word === "go") {
    timetable = new Timetable(senders.length, Number(first), settings.seed);
    void follow();
  } else if (word === "ledger") {
    await Deno.writeFile(`${first}/${LEDGER_FILES.streamed}`, streamed.bytes);
  }
  answer(word === "figures" ? figures() : undefined);
}
