import assert from "node:assert/strict";
import { silentLog } from "shared/log/log.ts";
import { createMetrics } from "shared/metrics/metrics.ts";
import { serveRequests } from "shared/http/serve_requests.ts";
import { connectRedisBlocking } from "shared/redis/connect.ts";
import { consumeEvents } from "shared/streams/event_consumer.ts";
import { currentTrace, traceId } from "shared/trace/trace.ts";
import { Background } from "../harness/background.ts";
import { eventually } from "../harness/eventually.ts";
import { insertAccount, insertOrder, insertRegion } from "../harness/fixtures.ts";
import { changeOrder, openRelay, PARTITION, relayAll } from "../harness/outbox.ts";
import { withStores } from "../harness/with_stores.ts";

const ID = "4bf92f3577b34da6a3ce929d0e0e4736";

Deno.test("a request's trace is carried by its events to what their consumers do", async () => {
  await withStores(async (stores) => {
    const { sql, redis, keys } = stores;
    await insertRegion(sql);
    const customerId = await insertAccount(sql, "customer");
    const orderId = await insertOrder(sql, { customerId });
    const serve = serveRequests({ log: silentLog, metrics: createMetrics("test") }, async () => {
      await sql.begin((tx) => changeOrder(tx, orderId));
      return new Response(null, { status: 204 });
    });
    await serve(
      new Request("http://hexmile.test/", {
        headers: { traceparent: `00-${ID}-00f067aa0ba902b7-01` },
      }),
    );
    await relayAll(await openRelay(stores));
    const traces: (string | undefined)[] = [];
    await using background = new Background();
    background.run((signal) =>
      consumeEvents({
        group: "analytics",
        partition: PARTITION,
        keys,
        sql,
        redis,
        openBlocking: () => connectRedisBlocking(stores.redisUrl, { name: "t", log: silentLog }),
        owner: "test",
        log: silentLog,
        signal,
        handle: async (event) => {
          if (event.type !== "order.attention_raised") return;
          traces.push(traceId(event.trace));
          await sql.begin((tx) => changeOrder(tx, orderId));
          traces.push(traceId(currentTrace()));
        },
      })
    );
    await eventually("the event was handled", () => traces.length === 2);
    assert.deepEqual(traces, [ID, ID]);
    const [row] = await sql<{ trace: string }[]>`
      select trace from outbox where key = ${orderId} order by id desc limit 1`;
    assert.equal(traceId(row?.trace ?? null), ID, "what the consumer wrote belongs to it too");
  });
});
