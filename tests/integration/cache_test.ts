/** The cache on a real Redis: nothing old comes back, one load for many readers, none without it. */
import assert from "node:assert/strict";
import { Cache, type CacheKind, type CacheResult, type Loaded } from "shared/cache/cache.ts";
import { silentLog } from "shared/log/log.ts";
import { connectRedis, startRedis } from "shared/redis/connect.ts";
import { eventually } from "../harness/eventually.ts";
import { Gate } from "../harness/gate.ts";
import { RedisLink } from "../harness/redis_link.ts";
import { openTestStores, type TestStores } from "../harness/stores.ts";

/** Long enough that a busy machine is not taken for a Redis that is away. */
const PATIENT_MS = 10_000;
const KIND: CacheKind = { name: "thing", maxCharacters: 1_000 };

let stores: TestStores;

Deno.test.beforeAll(async () => {
  stores = await openTestStores();
});
Deno.test.afterAll(() => stores?.close());

function newCache(onRead: (kind: string, result: CacheResult) => void = () => {}): Cache {
  return new Cache({ ...stores, redisTimeoutMs: PATIENT_MS, onRead });
}

const loaded = <T>(value: T, version = 0, ttlMs = 60_000): Loaded<T> => ({ value, version, ttlMs });

/** A thing that changes, and how often it was loaded. */
function thing(version = 1) {
  const state = { version, loads: 0 };
  const load = () => {
    state.loads++;
    return Promise.resolve(loaded({ version: state.version }, state.version));
  };
  return { state, load };
}

Deno.test("a value is loaded once and then comes from the cache, to other processes too", async () => {
  const heard: string[] = [];
  const [one, two] = [newCache((kind, result) => heard.push(`${kind} ${result}`)), newCache()];
  const { state, load } = thing();
  assert.deepEqual(await one.read(KIND, "a", load), { value: { version: 1 }, result: "MISS" });
  assert.deepEqual(await one.read(KIND, "a", load), { value: { version: 1 }, result: "HIT" });
  assert.deepEqual(await two.read(KIND, "a", load), { value: { version: 1 }, result: "HIT" });
  assert.equal(state.loads, 1);
  assert.deepEqual(heard, ["thing MISS", "thing HIT"]);
  const ttlMs = await stores.redis.pttl(stores.keys.cache("thing", "a"));
  assert.ok(ttlMs > 0 && ttlMs <= 60_000);
});

Deno.test("a value ends with its time", async () => {
  const cache = newCache();
  const load = () => Promise.resolve(loaded("x", 0, 40));
  assert.equal((await cache.read(KIND, "brief", load)).result, "MISS");
  await eventually(
    "it is loaded again",
    async () => (await cache.read(KIND, "brief", load)).result === "MISS",
  );
});

Deno.test("readers of one process share a load, readers of others wait for it", async () => {
  const caches = [newCache(), newCache(), newCache()];
  const gate = new Gate();
  let loads = 0;
  const load = async () => {
    loads++;
    await gate.passed();
    return loaded("slow");
  };
  const reads = caches.flatMap((cache) =>
    Array.from({ length: 20 }, () => cache.read(KIND, "stampede", load))
  );
  await eventually("somebody loads", () => loads > 0);
  gate.open();
  const results = await Promise.all(reads);
  assert.ok(results.every(({ value }) => value === "slow"));
  assert.equal(loads, 1);
});

Deno.test("who waits too long for another's load makes its own", async () => {
  const [one, two] = [newCache(), newCache()];
  const gate = new Gate();
  const stuck = one.read(KIND, "stuck", async () => {
    await gate.passed();
    return loaded("late");
  });
  await eventually(
    "the lock is taken",
    async () => await stores.redis.exists(stores.keys.cacheLock("thing", "stuck")) === 1,
  );
  const own = await two.read(KIND, "stuck", () => Promise.resolve(loaded("own")));
  assert.equal(own.value, "own");
  gate.open();
  await stuck;
});

Deno.test("a load that fails or finds nothing is not kept and holds nobody up", async () => {
  const cache = newCache();
  await assert.rejects(cache.read(KIND, "fails", () => Promise.reject(new Error("no"))), /no/);
  assert.equal(await stores.redis.exists(stores.keys.cacheLock("thing", "fails")), 0);
  const nothing = await cache.read<string>(KIND, "fails", () => Promise.resolve(undefined));
  assert.deepEqual(nothing, { value: undefined, result: "MISS" });
  assert.equal(await stores.redis.exists(stores.keys.cacheLock("thing", "fails")), 0);
  assert.equal(
    (await cache.read(KIND, "fails", () => Promise.resolve(loaded("now")))).value,
    "now",
  );
});

Deno.test("a value that is too long is not stored", async () => {
  const cache = newCache();
  const load = () => Promise.resolve(loaded("x".repeat(2_000)));
  assert.equal((await cache.read(KIND, "long", load)).result, "BYPASS");
  assert.equal(await stores.redis.exists(stores.keys.cache("thing", "long")), 0);
  assert.equal((await cache.read(KIND, "long", load)).result, "BYPASS");
});

Deno.test("a slow reader does not bring back what was superseded while it read", async () => {
  for (const way of ["announced", "stored"] as const) {
    const [slow, writer, reader] = [newCache(), newCache(), newCache()];
    const id = `superseded, ${way}`;
    const gate = new Gate();
    let isReading = false;
    const old = slow.read(KIND, id, async () => {
      isReading = true;
      await gate.passed();
      return loaded("old", 1);
    });
    await eventually("the slow reader reads", () => isReading);
    if (way === "announced") await writer.announce(KIND, id, 2);
    else await writer.store(KIND, id, loaded("new", 2));
    gate.open();
    assert.equal((await old).value, "old", "it had begun before");
    const { value } = await reader.read(KIND, id, () => Promise.resolve(loaded("new", 2)));
    assert.equal(value, "new");
    assert.match(await stores.redis.get(stores.keys.cache("thing", id)) ?? "", /^2:"new"/);
  }
});

Deno.test("an announcement of what is there already changes nothing", async () => {
  const cache = newCache();
  await cache.store(KIND, "known", loaded("v3", 3));
  for (const version of [1, 2, 3]) assert.ok(await cache.announce(KIND, "known", version));
  const never = () => Promise.reject(new Error("must not load"));
  assert.equal((await newCache().read(KIND, "known", never)).result, "HIT");
});

Deno.test("a process never goes back to an older version than it has seen", async () => {
  const [one, two] = [newCache(), newCache()];
  await one.store(KIND, "back", loaded("v5", 5));
  // Redis was lost, and another process filled it from an old snapshot.
  await stores.redis.del(stores.keys.cache("thing", "back"));
  await two.store(KIND, "back", loaded("v4", 4));
  const { value, result } = await one.read(KIND, "back", () => Promise.resolve(loaded("v5", 5)));
  assert.deepEqual([value, result], ["v5", "MISS"]);
  assert.equal((await two.read(KIND, "back", () => Promise.reject(new Error("x")))).value, "v5");
});

Deno.test("without Redis readers load for themselves after one short wait, and share the load", async () => {
  await using link = new RedisLink(stores.redisUrl);
  const redis = connectRedis(link.url, { name: "cache", log: silentLog });
  await startRedis(redis);
  // It stands still, so that Redis is left alone for as long as the readers need.
  const cache = new Cache({ ...stores, redis, now: () => 0 });
  try {
    await redis.ping();
    link.freeze();
    const { state, load } = thing();
    await cache.read(KIND, "another", load);
    const startedMs = performance.now();
    const gate = new Gate();
    const slowly = () => gate.passed().then(load);
    const reading = Array.from({ length: 20 }, () => cache.read(KIND, "b", slowly));
    gate.open();
    const reads = await Promise.all(reading);
    console.log(`20 reads without Redis took ${(performance.now() - startedMs).toFixed(1)} ms`);
    assert.ok(reads.every(({ result }) => result === "BYPASS"));
    assert.equal(state.loads, 2);
    assert.ok(!await cache.announce(KIND, "b", 2), "nobody was told");
    state.version = 2;
    assert.deepEqual((await cache.read(KIND, "b", load)).value, { version: 2 });
  } finally {
    redis.disconnect();
  }
});

Deno.test("under racing writers and readers nobody is shown less than before (property)", async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  console.log(`seed ${seed}`);
  let state = seed;
  const random = () => (state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) / 2 ** 32;
  const caches = [newCache(), newCache(), newCache()];
  const truth = new Map<string, number>();
  /** What the writer said was done; from then on no reader may get less. */
  const announced = new Map<string, number>();
  const ids = ["r1", "r2", "r3"];
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const load = (id: string) => async () => {
    const version = truth.get(id) ?? 1;
    // The answer is under way for a while: this is what makes a reader slow.
    if (random() < 0.5) await new Promise((resolve) => setTimeout(resolve, random() * 6));
    return loaded({ version }, version);
  };
  const write = async () => {
    const id = pick(ids);
    const version = (truth.get(id) ?? 1) + 1;
    truth.set(id, version);
    const cache = pick(caches);
    if (random() < 0.5) await cache.announce(KIND, id, version);
    else await cache.store(KIND, id, loaded({ version }, version));
    announced.set(id, Math.max(version, announced.get(id) ?? 1));
  };
  const client = async (reads: number) => {
    const shown = new Map<string, number>();
    for (let n = 0; n < reads; n++) {
      const id = pick(ids);
      const atLeast = Math.max(announced.get(id) ?? 1, shown.get(id) ?? 1);
      const { value } = await pick(caches).read(KIND, id, load(id));
      const version = value?.version ?? 0;
      assert.ok(version >= atLeast, `${id}: got ${version}, ${atLeast} was known (seed ${seed})`);
      shown.set(id, version);
    }
  };
  const writer = async () => {
    for (let n = 0; n < 150; n++) await write();
  };
  await Promise.all([writer(), ...Array.from({ length: 8 }, () => client(150))]);
  assert.ok([...truth.values()].every((version) => version > 10));
});
