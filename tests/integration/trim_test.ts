import assert from "node:assert/strict";
import { type TrimRule, trimStream } from "shared/streams/trim.ts";
import type { TestStores } from "../harness/stores.ts";
import { withStores } from "../harness/with_stores.ts";

const NOW_MS = 1_800_000_000_000;
const GROUPS = ["matcher", "tracker"];

/** A stream with entries at given milliseconds before now, and its groups. */
class Trimmed {
  readonly stream: string;
  readonly #stores: TestStores;

  constructor(stores: TestStores) {
    this.#stores = stores;
    this.stream = `${stores.prefix}trimmed`;
  }

  rule(keepMs = 0, groups: readonly string[] = GROUPS): TrimRule {
    return { stream: this.stream, groups, keepMs };
  }

  async trim(keepMs = 0, groups: readonly string[] = GROUPS): Promise<number> {
    return await trimStream(this.#stores.redis, this.rule(keepMs, groups), NOW_MS);
  }

  async trimBy(rule: TrimRule): Promise<number> {
    return await trimStream(this.#stores.redis, rule, NOW_MS);
  }

  /** Entries named e1, e2, ... of the given ages, the oldest first. */
  async fill(...agesMs: readonly number[]): Promise<void> {
    for (const [index, ageMs] of agesMs.entries()) {
      await this.#stores.redis.xadd(this.stream, `${NOW_MS - ageMs}-1`, "name", `e${index + 1}`);
    }
  }

  async group(name: string): Promise<void> {
    await this.#stores.redis.xgroup("CREATE", this.stream, name, "0", "MKSTREAM");
  }

  /** Reads entries for a group; the names that were read. */
  async read(group: string, count: number): Promise<string[]> {
    // To Redis a count of 0 means all.
    if (count === 0) return [];
    const reply = await this.#stores.redis.xreadgroup(
      "GROUP",
      group,
      "owner",
      "COUNT",
      count,
      "STREAMS",
      this.stream,
      ">",
    ) as [string, [string, string[]][]][] | null;
    return (reply?.[0]?.[1] ?? []).map(([, fields]) => fields[1] ?? "");
  }

  async acknowledge(group: string, ...names: readonly string[]): Promise<void> {
    const entries = await this.#stores.redis.xrange(this.stream, "-", "+");
    const ids = entries.filter(([, fields]) => names.includes(fields[1] ?? "")).map(([id]) => id);
    if (ids.length > 0) await this.#stores.redis.xack(this.stream, group, ...ids);
  }

  async left(): Promise<string[]> {
    const entries = await this.#stores.redis.xrange(this.stream, "-", "+");
    return entries.map(([, fields]) => fields[1] ?? "");
  }
}

async function withStream(use: (stream: Trimmed) => Promise<void>): Promise<void> {
  await withStores(async (stores) => await use(new Trimmed(stores)));
}

Deno.test("trimStream() does nothing while a required group is missing or the stream is", async () => {
  await withStream(async (stream) => {
    assert.equal(await stream.trim(), 0);
    await stream.group("matcher");
    await stream.fill(9_000, 8_000);
    await stream.read("matcher", 9);
    await stream.acknowledge("matcher", "e1", "e2");
    assert.equal(await stream.trim(), 0);
    assert.deepEqual(await stream.left(), ["e1", "e2"]);
    await stream.group("tracker");
    assert.equal(await stream.trim(), 0, "the new group has read nothing");
    assert.deepEqual(await stream.left(), ["e1", "e2"]);
  });
});

Deno.test("trimStream() stops before the oldest entry that some group has not read", async () => {
  await withStream(async (stream) => {
    await stream.fill(9_000, 8_000, 7_000, 6_000);
    for (const group of GROUPS) await stream.group(group);
    await stream.read("matcher", 9);
    await stream.acknowledge("matcher", "e1", "e2", "e3", "e4");
    assert.deepEqual(await stream.read("tracker", 2), ["e1", "e2"]);
    await stream.acknowledge("tracker", "e1", "e2");
    assert.equal(await stream.trim(), 1);
    // The last one read may stay; what is unread must.
    assert.deepEqual(await stream.left(), ["e2", "e3", "e4"]);
    assert.deepEqual(await stream.read("tracker", 9), ["e3", "e4"]);
  });
});

Deno.test("trimStream() stops before the oldest entry that some group has not acknowledged", async () => {
  await withStream(async (stream) => {
    await stream.fill(9_000, 8_000, 7_000, 6_000);
    for (const group of GROUPS) {
      await stream.group(group);
      await stream.read(group, 9);
    }
    await stream.acknowledge("matcher", "e1", "e2", "e3", "e4");
    await stream.acknowledge("tracker", "e1", "e3", "e4");
    assert.equal(await stream.trim(), 1);
    assert.deepEqual(await stream.left(), ["e2", "e3", "e4"]);
    await stream.acknowledge("tracker", "e2");
    assert.equal(await stream.trim(), 2);
    assert.deepEqual(await stream.left(), ["e4"]);
    assert.equal(await stream.trim(), 0);
  });
});

Deno.test("trimStream() ignores groups that are not required", async () => {
  await withStream(async (stream) => {
    await stream.fill(9_000, 8_000, 7_000);
    for (const group of ["matcher", "tracker", "somebody"]) await stream.group(group);
    for (const group of GROUPS) {
      await stream.read(group, 9);
      await stream.acknowledge(group, "e1", "e2", "e3");
    }
    assert.equal(await stream.trim(), 2);
    assert.deepEqual(await stream.left(), ["e3"]);
  });
});

Deno.test("trimStream() keeps entries that are younger than keepMs, whoever has read them", async () => {
  await withStream(async (stream) => {
    await stream.fill(9_000, 5_001, 5_000, 4_999, 1_000);
    for (const group of GROUPS) {
      await stream.group(group);
      await stream.read(group, 9);
      await stream.acknowledge(group, "e1", "e2", "e3", "e4", "e5");
    }
    assert.equal(await stream.trim(5_000), 2);
    assert.deepEqual(await stream.left(), ["e3", "e4", "e5"]);
  });
});

Deno.test("trimStream() keeps what a slow group has finished lately, however old it is", async () => {
  await withStream(async (stream) => {
    await stream.fill(9_000, 8_000, 7_000, 6_000, 1_000);
    for (const group of GROUPS) await stream.group(group);
    await stream.read("matcher", 9);
    await stream.acknowledge("matcher", "e1", "e2", "e3", "e4", "e5");
    await stream.read("tracker", 4);
    await stream.acknowledge("tracker", "e1", "e2", "e3", "e4");
    const rule = { ...stream.rule(), keepBehindMs: 1_500 };
    assert.equal(await stream.trimBy(rule), 2);
    assert.deepEqual(await stream.left(), ["e3", "e4", "e5"]);
  });
});

Deno.test("trimStream() in between leaves every group everything it has still to handle", async () => {
  await withStream(async (stream) => {
    const count = 60;
    await stream.fill(...Array.from({ length: count }, (_, index) => (count - index) * 100));
    for (const group of GROUPS) await stream.group(group);
    const handled = new Map<string, string[]>(GROUPS.map((group) => [group, []]));
    let trimmed = 0;
    for (let turn = 0; turn < count; turn++) {
      const group = GROUPS[turn % 3 === 0 ? 0 : 1] ?? "";
      const names = await stream.read(group, turn % 5);
      handled.get(group)?.push(...names);
      trimmed += await stream.trim();
      await stream.acknowledge(group, ...names);
      trimmed += await stream.trim();
    }
    for (const group of GROUPS) {
      handled.get(group)?.push(...await stream.read(group, count));
      assert.deepEqual(
        handled.get(group),
        Array.from({ length: count }, (_, index) => `e${index + 1}`),
      );
    }
    assert.ok(trimmed > 0);
  });
});
