/** What an operator can do about parked events, against the product's own consumer. */
import assert from "node:assert/strict";
import { dropParked, findParked, type ParkedKey, readParkedOfKey } from "shared/streams/parked.ts";
import { appendParked, replayKey } from "shared/streams/replay.ts";
import { readStreamFacts } from "shared/streams/stream_facts.ts";
import { Background } from "../harness/background.ts";
import { eventually } from "../harness/eventually.ts";
import { scriptsWith } from "../harness/stand_ins.ts";
import type { TestStores } from "../harness/stores.ts";
import { GROUP, type Item, items, TestStream } from "../harness/test_stream.ts";
import { withStores } from "../harness/with_stores.ts";

const BAD = "order-bad";
const GOOD = "order-good";

/** A stream whose consumer fails on one item until it is mended. */
class World {
  readonly stores: TestStores;
  readonly stream: TestStream;
  readonly key: ParkedKey;
  readonly seen: string[] = [];
  isMended = false;

  constructor(stores: TestStores) {
    this.stores = stores;
    this.stream = new TestStream(stores);
    this.key = { consumer: GROUP, stream: this.stream.name, key: BAD };
  }

  handle = ({ key, n }: Item): void => {
    if (key === BAD && n === 2 && !this.isMended) throw new Error("no such merchant");
    this.seen.push(`${key} ${n}`);
  };

  /** The numbers of the bad key, as they were handled. */
  bad(): number[] {
    return this.seen.filter((name) => name.startsWith(BAD)).map((name) =>
      Number(name.split(" ")[1])
    );
  }

  start(background: Background): void {
    background.run((signal) => this.stream.consume(signal, this.handle));
  }

  /** Items 1 to 4 of the bad key, of which 2 to 4 are parked. */
  async park(): Promise<void> {
    await this.stream.add(...items(BAD, 4), { key: GOOD, n: 1 });
    await eventually("three are parked", async () => (await this.stream.parked()).length === 3);
    await eventually("all is acknowledged", () => this.stream.isDone());
  }
}

async function withWorld(use: (world: World) => Promise<void>): Promise<void> {
  await withStores(async (stores) => await use(new World(stores)));
}

/** Parks rows as a consumer would have done, without one. */
async function parkRows(world: World, entryIds: readonly string[]): Promise<void> {
  for (const [index, entryId] of entryIds.entries()) {
    const event = JSON.stringify({ item: JSON.stringify({ key: BAD, n: index + 1 }) });
    await world.stores.sql`
      insert into parked_events (consumer, stream, entry_id, key, event, cause, attempts)
      values (${GROUP}, ${world.stream.name}, ${entryId}, ${BAD}, ${event}, 'a cause', 5)`;
  }
}

async function createGroup(world: World): Promise<void> {
  await world.stores.redis.xgroup("CREATE", world.stream.name, GROUP, "0", "MKSTREAM");
}

/** Reads as the consumer's predecessor, and leaves what it read pending. */
async function readAndDie(world: World): Promise<void> {
  const { redis } = world.stores;
  await redis.xreadgroup("GROUP", GROUP, "owner", "STREAMS", world.stream.name, ">");
}

Deno.test("replayKey() hands a key's parked events to a running consumer, in order", async () => {
  await withWorld(async (world) => {
    await using background = new Background();
    world.start(background);
    await world.park();
    world.isMended = true;
    const outcome = await replayKey(world.stores, world.key);
    assert.deepEqual(outcome, { result: "handled", count: 3 });
    assert.deepEqual(world.bad(), [1, 2, 3, 4]);
    assert.deepEqual(await world.stream.parked(), []);
    await world.stream.add({ key: BAD, n: 5 });
    await eventually("the key goes on", () => world.bad().length === 5);
    assert.deepEqual(world.bad(), [1, 2, 3, 4, 5]);
  });
});

Deno.test("replayKey() says why an event was parked again, and keeps the order for the next", async () => {
  await withWorld(async (world) => {
    await using background = new Background();
    world.start(background);
    await world.park();
    const outcome = await replayKey(world.stores, world.key);
    assert.equal(outcome.result, "parked_again");
    if (outcome.result === "parked_again") {
      assert.match(outcome.first.cause, /^Error: no such merchant/);
      assert.equal(outcome.first.attempts, 5);
      assert.notEqual(outcome.first.entryId, outcome.first.originId);
    }
    assert.deepEqual(world.bad(), [1]);
    world.isMended = true;
    assert.deepEqual(await replayKey(world.stores, world.key), { result: "handled", count: 3 });
    assert.deepEqual(world.bad(), [1, 2, 3, 4]);
  });
});

Deno.test("replayKey() is not overtaken by what comes of the key during the replay", async () => {
  await withWorld(async (world) => {
    await using background = new Background();
    world.start(background);
    await world.park();
    world.isMended = true;
    // Right after the append, before the rows are gone.
    let isAdded = false;
    const redis = scriptsWith(world.stores.redis, async (args, real) => {
      const reply = await real(...args);
      if (!isAdded && Array.isArray(reply) && reply[0] === "appended") {
        isAdded = true;
        await world.stream.add(...items(BAD, 2, 5));
      }
      return reply;
    });
    const outcome = await replayKey({ sql: world.stores.sql, redis }, world.key);
    assert.equal(outcome.result, "handled");
    await eventually("nothing is left", () => world.stream.isDone());
    assert.deepEqual(world.bad(), [1, 2, 3, 4, 5, 6]);
    assert.deepEqual(await world.stream.parked(), []);
  });
});

Deno.test("replayKey() repeats and loses nothing when it dies between append and removal", async () => {
  await withWorld(async (world) => {
    await using background = new Background();
    world.start(background);
    await world.park();
    world.isMended = true;
    const redis = scriptsWith(world.stores.redis, async (args, real) => {
      const reply = await real(...args);
      if (Array.isArray(reply) && reply[0] === "appended") throw new Error("died");
      return reply;
    });
    await assert.rejects(replayKey({ sql: world.stores.sql, redis }, world.key), /died/);
    // The rows are still there, so the consumer parks the copies behind them.
    await eventually(
      "the copies are parked",
      async () => (await world.stream.parked()).length === 6,
    );
    assert.deepEqual(world.bad(), [1]);
    const outcome = await replayKey(world.stores, world.key);
    assert.deepEqual(outcome, { result: "handled", count: 3 }, "one copy of each goes");
    assert.deepEqual(world.bad(), [1, 2, 3, 4]);
    assert.deepEqual(await world.stream.parked(), []);
  });
});

Deno.test("replayKey() leaves the events on the stream for a consumer that comes later", async () => {
  await withWorld(async (world) => {
    world.isMended = true;
    await createGroup(world);
    await parkRows(world, ["1-1", "2-1"]);
    const outcome = await replayKey(world.stores, world.key, { timeoutMs: 300 });
    assert.deepEqual(outcome, { result: "waiting", count: 2 });
    await using background = new Background();
    world.start(background);
    await eventually("both are handled", () => world.stream.isDone());
    assert.deepEqual(world.bad(), [1, 2]);
  });
});

Deno.test("replayKey() run twice at once appends each event once", async () => {
  await withWorld(async (world) => {
    await createGroup(world);
    await parkRows(world, ["1-1", "2-1", "10-1"]);
    await Promise.all([1, 2].map(() => replayKey(world.stores, world.key, { timeoutMs: 300 })));
    assert.equal(await world.stores.redis.xlen(world.stream.name), 3);
    assert.deepEqual(await world.stream.parked(), []);
  });
});

Deno.test("appendParked() waits for what is unread, and for what is pending of the key alone", async () => {
  await withWorld(async (world) => {
    const { stores, stream, key } = world;
    await parkRows(world, ["1-1"]);
    assert.deepEqual(await appendParked(stores, key), {
      result: "blocked",
      block: { reason: "no_group" },
    });
    await createGroup(world);
    const [ofKey = ""] = await stream.add({ key: BAD, n: 7 });
    assert.deepEqual(await appendParked(stores, key), {
      result: "blocked",
      block: { reason: "unread" },
    });
    await readAndDie(world);
    assert.deepEqual(await appendParked(stores, key), {
      result: "blocked",
      block: { reason: "unfinished", entryId: ofKey },
    });
    assert.equal((await stream.parked()).length, 1);
    assert.equal(await stores.redis.xlen(stream.name), 1, "nothing was appended");
    await stores.redis.xack(stream.name, GROUP, ofKey);
    await stream.add({ key: GOOD, n: 1 });
    await readAndDie(world);
    const outcome = await appendParked(stores, key);
    assert.equal(outcome.result, "appended");
    assert.deepEqual(await stream.parked(), []);
    assert.deepEqual(await appendParked(stores, key), { result: "none" });
  });
});

Deno.test("appendParked() of a key that events do not contain waits for every pending entry", async () => {
  await withWorld(async ({ stores, stream, key }) => {
    const world = new World(stores);
    await createGroup(world);
    await stores.sql`
      insert into parked_events (consumer, stream, entry_id, key, event, cause, attempts)
      values (${GROUP}, ${stream.name}, '1-1', 'positions', '{"fixes":"[]"}', 'a cause', 5)`;
    const [other = ""] = await stream.add({ key: GOOD, n: 1 });
    await readAndDie(world);
    assert.deepEqual(await appendParked(stores, { ...key, key: "positions" }), {
      result: "blocked",
      block: { reason: "unfinished", entryId: other },
    });
  });
});

Deno.test("replayKey() refuses an event that was trimmed away, and says so of junk that stays junk", async () => {
  await withWorld(async (world) => {
    const { stores, stream } = world;
    await using background = new Background();
    world.start(background);
    const [entryId = ""] = await stream.addRaw("not json");
    await eventually("the junk is parked", async () => (await stream.parked()).length === 1);
    await eventually("and acknowledged", () => stream.isDone());
    const junk = { ...world.key, key: entryId };
    const outcome = await replayKey(stores, junk);
    assert.equal(outcome.result, "parked_again");
    const [again] = await stream.parked();
    assert.notEqual(again?.entryId, entryId);
    await stores.sql`update parked_events set event = '{}'`;
    const [row] = await stores.sql<
      { id: string; key: string }[]
    >`select id, key from parked_events`;
    assert.deepEqual(await replayKey(stores, { ...junk, key: row?.key ?? "" }), {
      result: "blocked",
      block: { reason: "empty", parkedId: row?.id },
    });
  });
});

Deno.test("readParkedOfKey() orders by the entry that was parked first, and not as text", async () => {
  await withWorld(async (world) => {
    await parkRows(world, ["10-1", "9-1", "9-10", "9-2"]);
    const events = await readParkedOfKey(world.stores.sql, world.key);
    assert.deepEqual(events.map((event) => event.entryId), ["9-1", "9-2", "9-10", "10-1"]);
  });
});

Deno.test("dropParked() drops all that are named, or none", async () => {
  await withWorld(async (world) => {
    const { sql } = world.stores;
    await parkRows(world, ["1-1", "2-1", "3-1"]);
    const ids = (await readParkedOfKey(sql, world.key)).map((event) => event.id);
    const [first = "", second = ""] = ids;
    assert.deepEqual(await dropParked(sql, [first, "999999"]), ["999999"]);
    assert.equal((await world.stream.parked()).length, 3);
    assert.deepEqual(await dropParked(sql, [first, second]), []);
    assert.equal((await world.stream.parked()).length, 1);
    assert.equal(await findParked(sql, first), undefined);
  });
});

Deno.test("readStreamFacts() counts what a group has not read, also after entries were removed", async () => {
  await withWorld(async (world) => {
    const { redis } = world.stores;
    const { name } = world.stream;
    assert.equal(await readStreamFacts(redis, name), undefined);
    await createGroup(world);
    const ids = await world.stream.add(...items(GOOD, 3));
    await readAndDie(world);
    ids.push(...await world.stream.add(...items(GOOD, 6_000)));
    await redis.xdel(name, ids[4] ?? "", ids[5] ?? "");
    await redis.xgroup("CREATE", name, "other", "0");
    const facts = await readStreamFacts(redis, name);
    assert.equal(facts?.length, 6_001);
    const [other, own] = facts?.groups.toSorted((a, b) => a.name.localeCompare(b.name)) ?? [];
    assert.deepEqual({ ...other, oldestPendingMs: undefined }, {
      name: "other",
      pending: 0,
      lag: 6_001,
      oldestPendingMs: undefined,
    });
    assert.equal(own?.pending, 3);
    assert.equal(own?.lag, 5_998);
    assert.ok((own?.oldestPendingMs ?? -1) >= 0);
  });
});

/** The flags of the task `streams` in deno.json. */
const CLI_FLAGS = [
  "run",
  "--no-prompt",
  "--allow-net",
  "--allow-env=DATABASE_URL,REDIS_URL,REDIS_KEY_PREFIX",
  "--ignore-env",
  "--deny-run",
  "--deny-ffi",
  "--deny-write",
  "deploy/local/streams_cli.ts",
];

async function runCli(stores: TestStores, ...args: readonly string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...CLI_FLAGS, ...args],
    env: {
      DATABASE_URL: stores.databaseUrl,
      REDIS_URL: stores.redisUrl,
      REDIS_KEY_PREFIX: stores.prefix,
    },
    stdout: "piped",
    stderr: "piped",
  }).output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), error: decoder.decode(stderr) };
}

Deno.test("deno task streams lists, shows, replays and drops with the permissions of its task", async () => {
  await withWorld(async (world) => {
    const { stores } = world;
    await createGroup(world);
    await parkRows(world, ["1-1", "2-1"]);
    const [first, second] = await readParkedOfKey(stores.sql, world.key);
    const list = await runCli(stores, "list");
    assert.equal(list.code, 0, list.error);
    assert.match(list.out, new RegExp(`${world.stream.name} +0 +tracker +0 +0 +-\n`));
    assert.match(list.out, new RegExp(`\n${first?.id} +tracker +order-bad +2 +`));
    const show = await runCli(stores, "show", first?.id ?? "");
    assert.match(show.out, /entry +1-1\n(.*\n)*cause +a cause\nfield item:\n {2}\{\n {4}"key"/);
    const unsure = await runCli(stores, "drop", second?.id ?? "");
    assert.equal(unsure.code, 2);
    assert.match(unsure.error, /^Cannot drop 1 for good: say it with --confirm\n$/);
    const dropped = await runCli(stores, "drop", second?.id ?? "", "--confirm");
    assert.equal(dropped.code, 0, dropped.error);
    assert.match(dropped.out, /^1 dropped\ntracker order-bad: 1 still parked; to go on: /);
    await using background = new Background();
    world.start(background);
    const replayed = await runCli(stores, "replay", "--key", BAD);
    assert.deepEqual(replayed, { code: 0, out: "tracker order-bad: 1 handled\n", error: "" });
    assert.deepEqual(world.bad(), [1]);
    const nothing = await runCli(stores, "replay", "--all");
    assert.deepEqual(nothing, {
      code: 1,
      out: "",
      error: "Cannot replay: nothing like that is parked\n",
    });
  });
});
