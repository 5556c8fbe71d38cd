/** What the simulation relies on in Redis, as tests that run on the double and on the real server. */
import assert from "node:assert/strict";
import { runScript, type Script } from "shared/redis/script.ts";
import { eventually } from "../../harness/eventually.ts";
import type { ContractStores } from "./stores.ts";

type Run = (name: string, use: (stores: ContractStores) => Promise<void>) => void;

const EVERYTHING: Script = {
  name: "contract_everything",
  lua: `
    local counted, list = 0, {}
    for i = 1, #ARGV do
      local number = tonumber(ARGV[i])
      if number and number > 1 then counted = counted + number
      elseif ARGV[i] == 'skip' then list[#list + 1] = 'skipped'
      else list[#list + 1] = ARGV[i] .. '!' end
    end
    redis.call('HSET', KEYS[1], 'counted', counted, 'of', #ARGV)
    local missing = redis.call('HGET', KEYS[1], 'missing')
    local pair = cjson.decode('["x", 2]')
    for index, value in ipairs(pair) do list[#list + 1] = index .. '=' .. value end
    return {counted, 7.9, not missing, missing, list, string.format('%.0f', 12345678901),
      math.min(3, 2) + math.floor(2.7), redis.call('HMGET', KEYS[1], 'of', 'missing'),
      string.find('haystack', 'st', 1, true), unpack({'a', 'b'})}`,
};

export function holdRedisContract(test: Run): void {
  test("a script computes, calls and answers as Lua in Redis does", async ({ redis, prefix }) => {
    const key = `${prefix}hash`;
    const reply = await runScript(redis, EVERYTHING, [key], [3, "a", "skip", 1, 4]);
    assert.deepEqual(reply, [
      7,
      7,
      1,
      null,
      ["a!", "skipped", "1!", "1=x", "2=2"],
      "12345678901",
      4,
      ["5", null],
      4,
      "a",
      "b",
    ]);
    assert.deepEqual(await redis.hgetall(key), { counted: "7", of: "5" });
    // The second time by its digest.
    assert.deepEqual(await runScript(redis, EVERYTHING, [key], []), [
      ...[0, 7, 1, null, ["1=x", "2=2"], "12345678901", 4, ["0", null], 4, "a", "b"],
    ]);
  });

  test("strings and hashes", async ({ redis, prefix }) => {
    const [text, hash] = [`${prefix}text`, `${prefix}hash`];
    assert.equal(await redis.get(text), null);
    await redis.set(text, "one");
    assert.equal(await redis.get(text), "one");
    assert.deepEqual([await redis.exists(text), await redis.exists(hash)], [1, 0]);
    assert.equal(await redis.hset(hash, { a: 1, b: "two" }), 2);
    assert.equal(await redis.hset(hash, "a", 3), 0);
    assert.deepEqual([await redis.hsetnx(hash, "a", 4), await redis.hsetnx(hash, "c", 5)], [0, 1]);
    assert.deepEqual(await redis.hmget(hash, "a", "b", "c", "d"), ["3", "two", "5", null]);
    assert.equal(await redis.hdel(hash, "a", "d"), 1);
    assert.equal(await redis.del(text, hash), 2);
    assert.equal(await redis.hget(hash, "b"), null);
  });

  test("a stream keeps its entries in the order of their growing ids", async ({ redis, prefix }) => {
    const key = `${prefix}stream`;
    const ids: string[] = [];
    for (const value of ["1", "2", "3", "4"]) {
      ids.push(await redis.xadd(key, "*", "v", value) ?? "");
    }
    const [first = "", second = "", third = "", fourth = ""] = ids;
    assert.equal(await redis.xlen(key), 4);
    const range = async (from: string, to: string) =>
      (await redis.xrange(key, from, to)).map(([id]) => id);
    assert.deepEqual(await range("-", "+"), ids);
    assert.deepEqual(await range(`(${first}`, `(${fourth}`), [second, third]);
    assert.deepEqual(await redis.xrevrange(key, "+", "-", "COUNT", 2), [
      [fourth, ["v", "4"]],
      [third, ["v", "3"]],
    ]);
    assert.equal(await redis.xtrim(key, "MINID", third), 2);
    assert.deepEqual(await range("-", "+"), [third, fourth]);
  });

  test("a group hands each entry out once and remembers it until it is acknowledged", async ({ redis, prefix }) => {
    const key = `${prefix}stream`;
    const read = async (from: string, count = 10) => {
      const reply = await redis.xreadgroup(
        "GROUP",
        "g",
        "owner",
        "COUNT",
        count,
        "STREAMS",
        key,
        from,
      );
      const entries: unknown = Array.isArray(reply) ? (reply[0] as unknown[])[1] : null;
      return Array.isArray(entries) ? entries.map(([id, fields]) => [id, fields]) : entries;
    };
    await assert.rejects(read(">"), /^ReplyError: NOGROUP/);
    await redis.xgroup("CREATE", key, "g", "0", "MKSTREAM");
    await assert.rejects(redis.xgroup("CREATE", key, "g", "0"), /^ReplyError: BUSYGROUP/);
    assert.equal(await read(">"), null);
    assert.deepEqual(await read("0"), []);
    const [a = "", b = "", c = ""] = await Promise.all(
      ["1", "2", "3"].map(async (value) => await redis.xadd(key, "*", "v", value) ?? ""),
    );
    assert.deepEqual(await read(">", 2), [[a, ["v", "1"]], [b, ["v", "2"]]]);
    assert.deepEqual(await read("0"), [[a, ["v", "1"]], [b, ["v", "2"]]]);
    assert.deepEqual(await read(a), [[b, ["v", "2"]]]);
    assert.deepEqual((await redis.xpending(key, "g")).slice(0, 3), [2, a, b]);
    assert.equal(await redis.xpending(key, "g", b, c, 1).then((found) => found.length), 1);
    assert.deepEqual([await redis.xack(key, "g", a), await redis.xack(key, "g", a, c)], [1, 0]);
    assert.deepEqual(await read(">"), [[c, ["v", "3"]]]);
    await redis.xtrim(key, "MINID", c);
    assert.deepEqual(await read("0"), [[b, null], [c, ["v", "3"]]], "a trimmed one has no fields");
    const [flat = []] = await redis.xinfo("GROUPS", key) as unknown[][];
    const field = (name: string) => flat[flat.indexOf(name) + 1];
    assert.deepEqual([field("name"), field("pending"), field("last-delivered-id")], ["g", 2, c]);
  });

  test("a read that waits is served by the entry that comes", async ({ redis, prefix, openRedis }) => {
    const key = `${prefix}stream`;
    await redis.xgroup("CREATE", key, "g", "0", "MKSTREAM");
    const waiting = await openRedis();
    let served: unknown;
    const reading = waiting
      .xreadgroup("GROUP", "g", "owner", "COUNT", 5, "BLOCK", 10_000, "STREAMS", key, ">")
      .then((reply) => served = reply);
    assert.equal(served, undefined);
    const id = await redis.xadd(key, "*", "v", "1");
    await eventually("the entry is pending", async () => {
      const [pending] = await redis.xpending(key, "g") as [number];
      return pending === 1;
    });
    await reading;
    assert.deepEqual(served, [[key, [[id, ["v", "1"]]]]]);
  });
}
