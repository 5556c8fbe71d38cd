/** The end of a run: everybody falls silent, and what the phones were promised is looked up. */
import { pause } from "shared/clock/timeout.ts";
import { eventually } from "../../harness/eventually.ts";
import { behindInRedis, compareStream, unfinishedEntries } from "./checks.ts";
import type { SoakWorld } from "./soak_world.ts";

const SETTLED_TIMEOUT_MS = 20_000;
const LOOK_MS = 200;

/** What was promised, and what of it is not there. */
export interface Ledger {
  /** Fixes that phones were told Redis has. */
  readonly acknowledged: number;
  /** Phones whose newest fix there is older than the last that was acknowledged. */
  readonly lostInRedis: number;
  /** Acknowledged fixes that no reader of the stream was given: history and tracker are such. */
  readonly lostOnStream: number;
  /** Entries of the stream that a consumer group has not finished, by group. */
  readonly unfinished: Readonly<Record<string, number>>;
  /** Phones of couriers with an order whose history lacks fixes. */
  readonly lostInHistory: number;
}

/** Everybody falls silent, and each promise is looked up. */
export async function checkLedger(world: SoakWorld): Promise<Ledger> {
  await settle(world);
  const newest = await world.newestAcknowledged();
  await world.writeStreamed();
  const { senders, redis, keys, folder } = world;
  const behind = await behindInRedis(redis, keys, { senders, newest });
  const { acknowledged, missing } = await compareStream(folder);
  const unfinished = await unfinishedEntries(redis, keys);
  const lostInHistory = (await world.behindInHistory()).length;
  return {
    acknowledged,
    lostInRedis: behind.length,
    lostOnStream: missing,
    unfinished,
    lostInHistory,
  };
}

/** Nobody sends any more, and all that was sent is answered and read. */
export async function settle(world: SoakWorld): Promise<void> {
  await world.hush(1);
  const waits = {
    "every fix is answered": async () => (await world.phonesFigures()).underWay === 0,
    "every fix is read": async () => {
      await pause(LOOK_MS);
      return (await world.readerFigures()).moves === 0;
    },
    "history and tracker have finished": async () => {
      const unfinished = await unfinishedEntries(world.redis, world.keys);
      return Object.values(unfinished).every((entries) => entries === 0);
    },
  };
  for (const [what, probe] of Object.entries(waits)) {
    // An overloaded machine has a ledger all the same: of what was acknowledged by then.
    await eventually(what, probe, SETTLED_TIMEOUT_MS).catch((error) => console.log(String(error)));
  }
}
