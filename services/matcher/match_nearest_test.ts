import assert from "node:assert/strict";
import fc from "fast-check";
import { DEFAULT_REGION_POLICY } from "shared/regions/region.ts";
import { type IdleCourier, matchNearest, type OpenOrder } from "./match_nearest.ts";

const policy = DEFAULT_REGION_POLICY.dispatch;
const nowMs = 1_000_000;

/** Metres north of a fixed place: enough for one-dimensional stories. */
function at(northM: number) {
  return { lat: 57.7 + northM / 111_195, lon: 11.97 };
}

function order(id: string, northM: number, asked: OpenOrder["asked"] = []): OpenOrder {
  const needs = { weightG: null, vehicles: [], skills: [] };
  return {
    id,
    pickup: at(northM),
    tripM: 1_000,
    merchantId: null,
    ownFleet: false,
    needs,
    lostBy: [],
    asked,
  };
}

function courier(id: string, northM: number, receivedAtMs = nowMs): IdleCourier {
  const position = { point: at(northM), receivedAtMs };
  return {
    id,
    version: 1,
    vehicle: "car",
    fleet: null,
    skills: [],
    maxLoadG: null,
    loadG: 0,
    position,
  };
}

function pairs(orders: OpenOrder[], couriers: IdleCourier[]) {
  return matchNearest({ orders, couriers, policy, nowMs })
    .map((match) => `${match.orderId}-${match.courierId}`);
}

Deno.test("matchNearest() asks the nearest courier", () => {
  assert.deepEqual(pairs([order("o1", 0)], [courier("c1", 900), courier("c2", 300)]), ["o1-c2"]);
});

Deno.test("matchNearest() serves the oldest order first and gives no courier two orders", () => {
  const orders = [order("o2", 0), order("o1", 0)];
  assert.deepEqual(pairs(orders, [courier("c1", 100), courier("c2", 200)]), ["o1-c1", "o2-c2"]);
  assert.deepEqual(pairs(orders, [courier("c1", 100)]), ["o1-c1"]);
});

Deno.test("matchNearest() looks at every courier, however many nearer ones are out", () => {
  const silent = Array.from({ length: 60 }, (_, index) => courier(`s${index}`, 10, nowMs - 60_000));
  assert.deepEqual(pairs([order("o1", 0)], [...silent, courier("free", 2_200)]), ["o1-free"]);
});

Deno.test("matchNearest() leaves out silent, unknown and far couriers, and says how many", () => {
  const [match] = matchNearest({
    orders: [order("o1", 0)],
    couriers: [
      courier("silent", 1, nowMs - 45_001),
      { ...courier("new", 0), position: undefined },
      courier("far", 10_100),
      courier("ok", 500),
      courier("second", 800),
    ],
    policy,
    nowMs,
  });
  assert.equal(match?.courierId, "ok");
  assert.deepEqual(match?.explanation, {
    policy: "nearest",
    candidates: [{ courierId: "ok", distanceM: 500 }, { courierId: "second", distanceM: 800 }],
    excluded: { silent: 1, no_position: 1, too_far: 1 },
    runnerUpBehindM: 300,
  });
});

Deno.test("matchNearest() asks nobody to walk farther than the policy lets its vehicle go", () => {
  const onFoot: IdleCourier = { ...courier("walker", 10), vehicle: "foot" };
  const long = { ...order("o1", 0), tripM: 1_501 };
  assert.deepEqual(pairs([long], [onFoot, courier("driver", 900)]), ["o1-driver"]);
  assert.deepEqual(pairs([{ ...long, tripM: 1_500 }], [onFoot]), ["o1-walker"]);
});

Deno.test("matchNearest() asks a fleet's couriers for its merchant only, and nobody else for an own fleet", () => {
  const anybody = courier("anybody", 10);
  const ours: IdleCourier = { ...courier("ours", 900), fleet: "m1" };
  const theirs: IdleCourier = { ...courier("theirs", 20), fleet: "m2" };
  const own = { ...order("o1", 0), merchantId: "m1", ownFleet: true };
  const shared = { ...own, ownFleet: false };
  assert.deepEqual(pairs([own], [anybody, theirs, ours]), ["o1-ours"]);
  assert.deepEqual(pairs([own], [anybody, theirs]), []);
  assert.deepEqual(pairs([shared], [anybody, theirs, ours]), ["o1-anybody"]);
  assert.deepEqual(pairs([shared], [theirs, ours]), ["o1-ours"]);
  assert.deepEqual(pairs([order("o1", 0)], [theirs, ours, courier("far", 2_000)]), ["o1-far"]);
  const [match] = matchNearest({
    orders: [own],
    couriers: [anybody, theirs, ours],
    policy,
    nowMs,
  });
  assert.deepEqual(match?.explanation.excluded, { other_fleet: 2 });
});

Deno.test("matchNearest() never asks again who declined, and who lapsed only after a while", () => {
  const asked = [
    { courierId: "c1", outcome: "rejected", closedAtMs: 0 },
    { courierId: "c2", outcome: "expired", closedAtMs: nowMs - 59_999 },
    { courierId: "c3", outcome: "expired", closedAtMs: nowMs - 60_000 },
  ] as const;
  const couriers = [courier("c1", 10), courier("c2", 20), courier("c3", 30)];
  assert.deepEqual(pairs([order("o1", 0, asked)], couriers), ["o1-c3"]);
});

Deno.test("matchNearest() asks only who has the vehicle, the skills and the room an order needs", () => {
  const parcel = order("o1", 0);
  const needing = (needs: Partial<OpenOrder["needs"]>) => [
    { ...parcel, needs: { ...parcel.needs, ...needs } },
  ];
  const couriers = [
    { ...courier("c1", 10), vehicle: "bicycle" as const },
    { ...courier("c2", 20), skills: ["cold", "pharmacy"] },
    { ...courier("c3", 30), maxLoadG: 1_000_000, loadG: 600_000 },
  ];
  assert.deepEqual(pairs(needing({}), couriers), ["o1-c1"]);
  assert.deepEqual(pairs(needing({ vehicles: ["car", "van"] }), couriers), ["o1-c2"]);
  assert.deepEqual(pairs(needing({ skills: ["pharmacy"] }), couriers), ["o1-c2"]);
  assert.deepEqual(pairs(needing({ skills: ["pharmacy", "alcohol"] }), couriers), []);
  assert.deepEqual(pairs(needing({ weightG: 15_000 }), couriers), ["o1-c1"]);
  assert.deepEqual(pairs(needing({ weightG: 15_001 }), couriers), ["o1-c2"]);
  assert.deepEqual(pairs(needing({ weightG: 400_000 }), couriers), ["o1-c3"]);
  assert.deepEqual(pairs(needing({ weightG: 400_001 }), couriers), []);
  const [match] = matchNearest({ orders: needing({ weightG: 400_000 }), couriers, policy, nowMs });
  assert.deepEqual(match?.explanation.excluded, { too_heavy: 2 });
});

Deno.test("matchNearest() does not give an order back to who lost it", () => {
  const lost = { ...order("o1", 0), lostBy: ["c1"] };
  assert.deepEqual(pairs([lost], [courier("c1", 10), courier("c2", 500)]), ["o1-c2"]);
  assert.deepEqual(pairs([lost], [courier("c1", 10)]), []);
});

Deno.test("matchNearest() is a matching, whatever the order of its input (property)", () => {
  const seed = 20261121;
  console.log(`seed ${seed}`);
  const orders = fc.uniqueArray(fc.integer({ min: 0, max: 50 }), { maxLength: 20 })
    .map((ids) => ids.map((id) => order(`o${String(id).padStart(2, "0")}`, id * 40)));
  const couriers = fc.uniqueArray(fc.integer({ min: 0, max: 50 }), { maxLength: 20 })
    .map((ids) => ids.map((id) => courier(`c${id}`, id * 37)));
  fc.assert(
    fc.property(orders, couriers, (all, idle) => {
      const matches = matchNearest({ orders: all, couriers: idle, policy, nowMs });
      assert.equal(new Set(matches.map((m) => m.courierId)).size, matches.length);
      assert.equal(new Set(matches.map((m) => m.orderId)).size, matches.length);
      assert.equal(matches.length, Math.min(all.length, idle.length));
      const shuffled = matchNearest({
        orders: [...all].reverse(),
        couriers: [...idle].reverse(),
        policy,
        nowMs,
      });
      assert.deepEqual(shuffled, matches);
    }),
    { seed, numRuns: 300 },
  );
});
