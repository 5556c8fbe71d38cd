import assert from "node:assert/strict";
import { Registry } from "prom-client";
import { distanceM } from "shared/geo/distance.ts";
import { silentLog } from "shared/log/log.ts";
import { findNearestStreet } from "shared/streets/nearest_street.ts";
import { startSimulator } from "./app.ts";
import { eventually } from "./testing/eventually.ts";
import { type FakeApi, refusal } from "./testing/fake_api.ts";
import { smallTown } from "./testing/small_town.ts";
import { COURIER, MERCHANT, onStage, SPEED } from "./testing/stage.ts";
import { createWorldClock } from "./world_clock.ts";

function corner(town: ReturnType<typeof smallTown>) {
  const { south, west } = town.network.bounds;
  return { lat: south, lon: west };
}

/** A bicycle at its best pace, and the noise of two fixes. */
function ridesAtMostM(elapsedS: number, speed: number): number {
  return 15 / 3.6 * 1.05 * speed * elapsedS + 2 * 12;
}

/** Offers the order anew until the courier has taken it: some offers are rejected or ignored. */
async function offerUntilTaken(api: FakeApi, order: ReturnType<FakeApi["addOrder"]>) {
  const MAX_OFFERS = 10;
  for (let attempt = 0; attempt < MAX_OFFERS && order.courier === undefined; attempt++) {
    const offer = api.offer(order, COURIER);
    const deadline = () => order.courier !== undefined || offer.status !== "pending";
    await api.until("an answer to an offer", deadline);
  }
  assert.equal(order.courier, COURIER);
}

Deno.test("a courier takes an order from the offer on its channel to the delivery", async () => {
  await onStage(1, async ({ api, town, start, metric }) => {
    const order = api.addOrder({
      pickup: town.merchantLocation,
      dropoff: corner(town),
      status: "preparing",
    });
    // No merchant in this test: the order becomes ready when the courier waits for it.
    api.intercept = ({ path }) =>
      path.startsWith("/merchant/") ? Response.json({ items: [] }) : undefined;
    start();
    await api.until("an open channel", () => api.channels.has(COURIER));
    await offerUntilTaken(api, order);
    const near = (place: { lat: number; lon: number }) => {
      const last = api.fixes.at(-1)?.fix;
      return last !== undefined && distanceM(last, place) < 30 && last.speedMps === 0;
    };
    await api.until("the courier at the pickup", () => near(order.pickup));
    assert.equal(order.status, "preparing");
    api.setStatus(order, "ready_for_pickup");
    await api.until("the delivery", () => order.status === "delivered");
    const reports = api.pathsOf(COURIER, "POST").filter((path) => path.includes("/orders/"));
    assert.deepEqual(
      reports.map((path) => path.split("/").at(-1)),
      ["picked-up", "in-transit", "delivered"],
    );
    await api.until("the courier at the door", () => near(order.dropoff));
    const handedOverMs = Date.parse(order.stateTimes["delivered"] ?? "") -
      Date.parse(order.stateTimes["in_transit"] ?? "");
    assert.ok(handedOverMs >= 60_000 / SPEED);
    await eventually(
      "a courier that is idle again",
      async () => await metric("simulator_couriers", { phase: "idle" }) === 1,
    );
    assert.equal(await metric("simulator_deliveries_total"), 1);
    const accepted = { via: "channel", decision: "accepted" };
    assert.equal(await metric("simulator_offers_total", accepted), 1);
    assert.equal(await metric("simulator_agent_errors_total"), 0);
  });
});

Deno.test("a courier's fixes lie on streets, one every 3 s, and move no faster than it rides", async () => {
  await onStage(1, async ({ api, town, start }) => {
    const order = api.addOrder({
      pickup: town.merchantLocation,
      dropoff: corner(town),
      status: "in_transit",
      courier: COURIER,
    });
    start({ speed: 10 });
    await api.until("twenty fixes", () => api.fixes.length >= 20);
    assert.equal(order.courier, COURIER);
    const fixes = api.fixes.map(({ fix }) => fix);
    for (const [index, fix] of fixes.entries()) {
      const street = findNearestStreet(town.network, fix, {
        withinM: 100,
        accepts: () => true,
      });
      assert.ok(street !== null && street.distanceM < 15, `fix ${index} is off the streets`);
      const before = fixes[index - 1];
      if (before === undefined) continue;
      const elapsedS = (Date.parse(fix.recordedAt) - Date.parse(before.recordedAt)) / 1_000;
      // Timers of a hurried clock are rough; they may be late, but fixes never come in bursts.
      assert.ok(elapsedS > 1, `fix ${index} came ${elapsedS} s after the one before`);
      assert.ok(distanceM(before, fix) <= ridesAtMostM(elapsedS, 10), `fix ${index} jumped`);
    }
  });
});

Deno.test("a courier polls its offers while the channel is down, and comes back to the channel", async () => {
  await onStage(1, async ({ api, town, start, metric }) => {
    let down = true;
    api.intercept = ({ path }) =>
      down && path === "/courier/channel" ? new Response(null, { status: 503 }) : undefined;
    const order = api.addOrder({
      pickup: town.merchantLocation,
      dropoff: corner(town),
      status: "ready_for_pickup",
    });
    start();
    await offerUntilTaken(api, order);
    await eventually(
      "an accepted offer of a poll",
      async () =>
        await metric("simulator_offers_total", { via: "poll", decision: "accepted" }) === 1,
    );
    assert.equal(await metric("simulator_channels_open"), 0);
    down = false;
    await api.until("an open channel", () => api.channels.has(COURIER));
    const first = api.channels.get(COURIER);
    first?.close(1012);
    await api.until("another channel", () => {
      const now = api.channels.get(COURIER);
      return now !== undefined && now !== first;
    });
    await api.until("the delivery", () => order.status === "delivered");
    const tickets = api.pathsOf(COURIER, "POST").filter((path) => path.endsWith("tickets")).length;
    const opened = await metric("simulator_channel_attempts_total");
    assert.ok(tickets >= opened, "a new ticket for every attempt");
  });
});

Deno.test("bad frames end neither the channel nor the courier", async () => {
  await onStage(1, async ({ api, town, start, metric }) => {
    start();
    await api.until("an open channel", () => api.channels.has(COURIER));
    const channel = api.channels.get(COURIER);
    for (
      const frame of ["{", "null", "[]", { type: "offers" }, { type: "offer.made", offer: {} }]
    ) {
      api.push(COURIER, frame);
    }
    channel?.send(new Uint8Array([1, 2, 3]));
    api.push(COURIER, { type: "of.a.later.version" });
    const order = api.addOrder({
      pickup: town.merchantLocation,
      dropoff: corner(town),
      status: "ready_for_pickup",
    });
    await offerUntilTaken(api, order);
    assert.equal(api.channels.get(COURIER), channel);
    assert.equal(await metric("simulator_bad_frames_total"), 6);
    await api.until("the delivery", () => order.status === "delivered");
  });
});

Deno.test("a courier whose order is cancelled stops where it is and stays at work", async () => {
  await onStage(1, async ({ api, town, start, metric }) => {
    const order = api.addOrder({
      pickup: town.merchantLocation,
      dropoff: corner(town),
      status: "preparing",
      courier: COURIER,
    });
    api.intercept = ({ path }) =>
      path.startsWith("/merchant/") ? Response.json({ items: [] }) : undefined;
    // Slowly, so that it is still on its way.
    start({ speed: 1 });
    await api.until("an open channel", () => api.channels.has(COURIER));
    await api.until("a moving courier", () => (api.fixes.at(-1)?.fix.speedMps ?? 0) > 0);
    api.setStatus(order, "cancelled");
    api.push(COURIER, { type: "assignment.ended", orderId: order.id });
    await api.until("a standing courier", () => api.fixes.at(-1)?.fix.speedMps === 0);
    const stoodAt = api.fixes.at(-1)?.fix;
    assert.ok(stoodAt !== undefined && distanceM(stoodAt, order.pickup) > 100);
    assert.equal(await metric("simulator_couriers", { phase: "idle" }), 1);
    assert.equal(await metric("simulator_agent_errors_total"), 0);
  });
});

Deno.test("a restarted simulator goes on with an assigned order from where the courier was seen", async () => {
  await onStage(1, async ({ api, town, start }) => {
    const order = api.addOrder({
      pickup: town.merchantLocation,
      dropoff: corner(town),
      status: "in_transit",
      courier: COURIER,
    });
    const first = start({ speed: 10 });
    await api.until("a courier under way", () => api.fixes.length >= 5);
    await first.stop();
    assert.equal(api.courierStatus.get(COURIER), "available", "not set offline by the stop");
    const seenAt = api.fixes.at(-1)?.fix;
    const fixesBefore = api.fixes.length;
    start({ speed: 10 });
    await api.until("a fix of the second life", () => api.fixes.length > fixesBefore);
    const again = api.fixes[fixesBefore]?.fix;
    assert.ok(seenAt !== undefined && again !== undefined);
    const elapsedS = (Date.parse(again.recordedAt) - Date.parse(seenAt.recordedAt)) / 1_000;
    const movedM = distanceM(seenAt, again);
    assert.ok(movedM <= ridesAtMostM(elapsedS, 10), `moved ${movedM} m in ${elapsedS} s`);
    assert.ok(api.requests.some(({ path }) => path === `/orders/${order.id}/track`));
    await api.until("the delivery", () => order.status === "delivered");
  });
});

Deno.test("customers and a merchant: orders are placed once each and go through the kitchen", async () => {
  await onStage(0, async ({ api, start, metric, town }) => {
    const lost = new Set<string>();
    // The answer to every first attempt is lost, in part before and in part after its effect.
    api.intercept = ({ method, path, headers }) => {
      if (method !== "POST" || path !== "/orders") return undefined;
      const key = headers.get("idempotency-key") ?? "";
      if (lost.has(key)) return undefined;
      lost.add(key);
      return new Response(null, { status: 503 });
    };
    start({ customersEnabled: true });
    const ready = () => [...api.orders.values()].filter((o) => o.status === "ready_for_pickup");
    await api.until("three orders ready", () => ready().length >= 3);
    const keys = api.requests.filter((seen) => seen.path === "/orders").map((seen) =>
      seen.headers.get("idempotency-key")
    );
    assert.equal(new Set(keys).size, lost.size);
    assert.ok(keys.every((key) => key !== null && key.length <= 255));
    for (const order of ready()) {
      assert.deepEqual(
        Object.keys(order.stateTimes),
        ["placed", "confirmed", "preparing", "ready_for_pickup"],
      );
      const awayM = distanceM(order.pickup, order.dropoff);
      assert.ok(awayM >= 600 && awayM <= 3_500);
      assert.ok(order.items.length >= 1 && order.items.length <= 3);
      assert.ok(order.items.every((item) => item.menuItemId !== "dish-4"), "sold out");
      const [from, to] = ["preparing", "ready_for_pickup"].map((state) =>
        Date.parse(order.stateTimes[state] ?? "")
      );
      assert.ok((to ?? 0) - (from ?? 0) >= 0.8 * 10 * 60_000 / SPEED, "cooked too fast");
    }
    await eventually("the counts", async () =>
      await metric("simulator_orders_placed_total") >= 3 &&
      await metric("simulator_merchant_steps_total", { step: "ready" }) >= 3);
    assert.equal(await metric("simulator_agent_errors_total"), 0);
    assert.equal(town.city.merchants.length, 1);
  });
});

Deno.test("a merchant learns of what others did with its orders", async () => {
  await onStage(0, async ({ api, start, metric, town }) => {
    const order = api.addOrder({
      merchantId: "m-1",
      pickup: town.merchantLocation,
      dropoff: corner(town),
    });
    api.intercept = ({ path }) => {
      // Confirmed on another screen just before the simulated tap.
      if (path.endsWith("/confirm") && order.status === "placed") api.setStatus(order, "confirmed");
      return undefined;
    };
    start();
    await api.until("the order ready", () => order.status === "ready_for_pickup");
    assert.equal(await metric("simulator_merchant_steps_total", { step: "confirm" }), 0);
    assert.equal(api.pathsOf(MERCHANT, "POST").filter((path) => path.endsWith("/ready")).length, 1);
  });
});

Deno.test("a merchant whose answer was lost finds out at once what became of the order", async () => {
  await onStage(0, async ({ api, start, town }) => {
    const order = api.addOrder({
      merchantId: "m-1",
      pickup: town.merchantLocation,
      dropoff: corner(town),
    });
    api.intercept = ({ path }) => {
      if (!path.endsWith("/confirm") || order.status !== "placed") return undefined;
      api.setStatus(order, "confirmed");
      return refusal("service.unavailable");
    };
    start();
    await api.until("the order ready", () => order.status === "ready_for_pickup");
    const { confirmed = "", preparing = "" } = order.stateTimes;
    // All orders are read again every 30 s anyway.
    const waitedMs = Date.parse(preparing) - Date.parse(confirmed);
    assert.ok(waitedMs < 20_000, `the order waited ${waitedMs} ms`);
  });
});

Deno.test("a courier taken offline comes online again; a failing ingest never piles up fixes", async () => {
  await onStage(1, async ({ api, start, metric }) => {
    api.intercept = ({ path }) =>
      path === "/courier/location" ? refusal("ingest.overloaded") : undefined;
    start();
    await api.until("an online courier", () => api.courierStatus.get(COURIER) === "available");
    api.courierStatus.set(COURIER, "offline");
    await api.until("online again", () => api.courierStatus.get(COURIER) === "available");
    const sent = () => api.pathsOf(COURIER, "POST").filter((path) => path.endsWith("/location"));
    await api.until("some failed fixes", () => sent().length >= 5);
    const failed = await metric("simulator_fixes_sent_total", { result: "failed" });
    assert.ok(failed >= 4 && sent().length - failed <= 1, "at most one under way");
    api.intercept = () => undefined;
    await api.until("a fix", () => api.fixes.length === 1);
    assert.equal(await metric("simulator_agent_errors_total"), 0);
  });
});

Deno.test("a courier that ingest calls off shift comes online at once; a stale fix is no failure", async () => {
  await onStage(1, async ({ api, start, metric }) => {
    api.intercept = ({ path }) => {
      if (path !== "/courier/location") return undefined;
      return api.courierStatus.get(COURIER) === "offline"
        ? refusal("courier.off_shift")
        : Response.json({ accepted: false, reason: "stale" });
    };
    start();
    const sent = () =>
      api.pathsOf(COURIER, "POST").filter((path) => path.endsWith("/location")).length;
    await api.until("a first fix", () => sent() >= 1);
    api.courierStatus.set(COURIER, "offline");
    const before = sent();
    await api.until("online again", () => api.courierStatus.get(COURIER) === "available");
    // The regular look comes once in twenty fixes.
    assert.ok(sent() - before <= 4, `after ${sent() - before} fixes`);
    await eventually(
      "the counts",
      async () =>
        await metric("simulator_fixes_sent_total", { result: "stale" }) >= 1 &&
        await metric("simulator_fixes_sent_total", { result: "refused" }) >= 1,
    );
  });
});

Deno.test("stop() ends agents that wait for an API that is not there", async () => {
  const clock = createWorldClock();
  const { city, router } = smallTown(5);
  const simulator = startSimulator({
    apiUrl: "http://127.0.0.1:1",
    ingestUrl: "http://127.0.0.1:1",
    trackerUrl: "http://127.0.0.1:1",
    password: "p",
    customersEnabled: true,
    orderIntervalS: 1,
    courierLimit: 3,
    speed: 1,
    seed: 1,
  }, { city, router, log: silentLog, registry: new Registry(), clock });
  await assert.rejects(simulator.reachability.apiAnsweredOnce());
  await simulator.stop();
});
