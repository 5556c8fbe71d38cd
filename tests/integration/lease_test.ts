import assert from "node:assert/strict";
import {
  FencedError,
  type Lease,
  LEASE_TTL_MS,
  releaseLease,
  renewLease,
  requireFence,
  takeLease,
  whileLeased,
} from "shared/lease/lease.ts";
import { silentLog } from "shared/log/log.ts";
import type { Sql } from "shared/sql/connect.ts";
import { Background } from "../harness/background.ts";
import { eventually } from "../harness/eventually.ts";
import { Gate } from "../harness/gate.ts";
import { expireLease } from "../harness/outbox.ts";
import { sqlWith } from "../harness/stand_ins.ts";
import { withStores } from "../harness/with_stores.ts";

const NAME = "test:lease";

async function take(sql: Sql, owner: string): Promise<Lease> {
  const lease = await takeLease(sql, NAME, owner);
  assert.ok(lease, `${owner} must get the lease`);
  return lease;
}

/** Whether the lease is free for the next taker. */
async function isFree(sql: Sql): Promise<boolean> {
  const [row] = await sql<{ free: boolean }[]>`
    select expires_at < clock_timestamp() as free from leases where name = ${NAME}`;
  return row?.free ?? true;
}

Deno.test("takeLease() gives a free lease to one of ten takers at once", async () => {
  await withStores(async ({ sql }) => {
    const owners = Array.from({ length: 10 }, (_, index) => `owner-${index}`);
    const taken = await Promise.all(owners.map((owner) => takeLease(sql, NAME, owner)));
    const held = taken.filter((lease) => lease !== undefined);
    assert.equal(held.length, 1);
    assert.equal(held[0]?.fence, 1);
    const [row] = await sql`select owner, fence from leases where name = ${NAME}`;
    assert.deepEqual(row, { owner: held[0]?.owner, fence: "1" });
  });
});

Deno.test("takeLease() takes over only after the end, with a higher fence", async () => {
  await withStores(async ({ sql }) => {
    await take(sql, "first");
    assert.equal(await takeLease(sql, NAME, "second"), undefined);
    assert.equal(await takeLease(sql, NAME, "first"), undefined, "nor does the owner get it twice");
    const [life] = await sql<{ ms: number }[]>`
      select (extract(epoch from expires_at - clock_timestamp()) * 1000)::float8 as ms
      from leases where name = ${NAME}`;
    assert.ok(life !== undefined && life.ms > 0 && life.ms <= LEASE_TTL_MS, `${life?.ms} ms`);
    await expireLease(sql, NAME);
    const taken = await Promise.all(["second", "third"].map((name) => takeLease(sql, NAME, name)));
    assert.deepEqual(taken.map((lease) => lease?.fence).filter((fence) => fence !== undefined), [
      2,
    ]);
  });
});

Deno.test("renewLease() prolongs a held lease, and fails once it has ended or was taken over", async () => {
  await withStores(async ({ sql }) => {
    const first = await take(sql, "first");
    assert.equal(await renewLease(sql, first), true);
    await expireLease(sql, NAME);
    assert.equal(await renewLease(sql, first), false, "its time is over, though nobody took it");
    const second = await take(sql, "second");
    assert.equal(await renewLease(sql, first), false);
    assert.equal(await renewLease(sql, second), true);
  });
});

Deno.test("releaseLease() frees the lease at once, and never that of a successor", async () => {
  await withStores(async ({ sql }) => {
    const first = await take(sql, "first");
    await releaseLease(sql, first);
    const second = await take(sql, "second");
    assert.equal(second.fence, 2);
    await releaseLease(sql, first);
    assert.equal(await takeLease(sql, NAME, "third"), undefined);
  });
});

Deno.test("requireFence() throws for an owner whose lease has ended or was taken over", async () => {
  await withStores(async ({ sql }) => {
    const first = await take(sql, "first");
    await sql.begin((tx) => requireFence(tx, first));
    await expireLease(sql, NAME);
    await assert.rejects(sql.begin((tx) => requireFence(tx, first)), FencedError);
    const second = await take(sql, "second");
    await assert.rejects(sql.begin((tx) => requireFence(tx, first)), FencedError);
    await sql.begin((tx) => requireFence(tx, second));
  });
});

Deno.test("requireFence() holds a takeover off until the transaction has committed", async () => {
  await withStores(async ({ sql }) => {
    const first = await take(sql, "first");
    // So short that it ends inside the transaction below.
    await sql`update leases set expires_at = clock_timestamp() + interval '500 milliseconds'`;
    const commit = new Gate();
    const proved = new Gate();
    const writing = sql.begin(async (tx) => {
      await requireFence(tx, first);
      proved.open();
      await commit.passed();
    });
    await proved.passed();
    let isTaken = false;
    const taking = takeLease(sql, NAME, "second").finally(() => isTaken = true);
    await eventually("the takeover waits for the row", async () => {
      const waiting = await sql`select 1 from pg_locks where not granted
        and pid in (select pid from pg_stat_activity where datname = current_database())`;
      return waiting.length > 0;
    });
    await eventually("the lease is past its end", () => isFree(sql));
    assert.equal(isTaken, false, "the fenced transaction is still open");
    commit.open();
    await writing;
    assert.equal((await taking)?.fence, 2);
  });
});

function holdOptions(sql: Sql, signal: AbortSignal, owner = "holder") {
  return { sql, name: NAME, owner, log: silentLog, signal };
}

/** Work that lasts until its signal aborts. */
async function untilAborted(signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

Deno.test("whileLeased() gives the lease back when its process stops", async () => {
  await withStores(async ({ sql }) => {
    await using background = new Background();
    const began = new Gate();
    background.run((signal) =>
      whileLeased(holdOptions(sql, signal), async (_lease, held) => {
        began.open();
        await untilAborted(held);
      })
    );
    await began.passed();
    assert.equal(await takeLease(sql, NAME, "other"), undefined);
    await background.stop();
    assert.equal((await take(sql, "other")).fence, 2);
  });
});

Deno.test("whileLeased() gives the lease back when its work fails, and works again later", async () => {
  await withStores(async ({ sql }) => {
    await using background = new Background();
    const fences: number[] = [];
    background.run((signal) =>
      whileLeased(holdOptions(sql, signal), async (lease, held) => {
        fences.push(lease.fence);
        if (fences.length === 1) throw new Error("first try");
        await untilAborted(held);
      })
    );
    await eventually("the lease is free after the failure", () => fences.length > 0 && isFree(sql));
    await eventually("the work is tried again", () => fences.length === 2);
    assert.deepEqual(fences, [1, 2]);
  });
});

Deno.test("whileLeased() runs the work of one of several holders at a time", async () => {
  await withStores(async ({ sql }) => {
    await using background = new Background();
    const active = new Set<string>();
    const turns: string[] = [];
    for (const owner of ["a", "b", "c"]) {
      background.run((signal) =>
        whileLeased(holdOptions(sql, signal, owner), async () => {
          assert.equal(active.size, 0, `${owner} works beside ${[...active]}`);
          active.add(owner);
          await sql`select 1`;
          turns.push(owner);
          active.delete(owner);
        })
      );
    }
    await eventually("several turns were taken", () => turns.length >= 3);
  });
});

Deno.test("whileLeased() aborts the work's signal when the lease was lost", async () => {
  await withStores(async ({ sql }) => {
    await using background = new Background();
    const lost = new Gate();
    const began = new Gate();
    background.run((signal) =>
      whileLeased(holdOptions(sql, signal), async (_lease, held) => {
        began.open();
        await untilAborted(held);
        if (!signal.aborted) lost.open();
      })
    );
    await began.passed();
    await expireLease(sql, NAME);
    const successor = await take(sql, "successor");
    await eventually("the work is told", () => lost.isOpen, 5_000);
    await background.stop();
    assert.equal(await renewLease(sql, successor), true, "giving back spares the successor");
  });
});

Deno.test("whileLeased() aborts the work's signal when Postgres does not answer for the lease's life", async () => {
  await withStores(async ({ sql }) => {
    const answers = new Gate();
    try {
      await using background = new Background();
      const lost = new Gate();
      const mute = sqlWith(
        sql,
        /^update leases set expires_at = clock_timestamp\(\) \+/,
        () => answers.passed(),
      );
      background.run((signal) =>
        whileLeased(holdOptions(mute, signal), async (_lease, held) => {
          await untilAborted(held);
          if (!signal.aborted) lost.open();
        })
      );
      await eventually("the work is told", () => lost.isOpen, LEASE_TTL_MS + 3_000)
        .finally(() => answers.open());
    } finally {
      answers.open();
    }
  });
});
