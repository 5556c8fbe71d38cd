import assert from "node:assert/strict";
import fc from "fast-check";
import { type DeliveryInput, priceDelivery } from "./price_delivery.ts";
import { deliveryMinorOf, priceOf, roundedShare, sumOf, tipPart } from "./price_part.ts";
import { peakSchema, type Zone, zoneFeesSchema, zoneOf } from "./zone.ts";

const SEED = 20261121;
/** A Friday, 18:30 in Stockholm. */
const FRIDAY_EVENING = Date.parse("2026-11-20T17:30:00Z");

function zone(fees: Record<string, unknown>, changes: Partial<Zone> = {}): Zone {
  return {
    id: "z1",
    name: "Harbour",
    ring: [{ lat: 0, lon: 0 }, { lat: 0, lon: 1 }, { lat: 1, lon: 1 }, { lat: 1, lon: 0 }],
    priority: 0,
    fees: zoneFeesSchema.parse(fees),
    ...changes,
  };
}

function price(changes: Partial<DeliveryInput> = {}) {
  return priceDelivery({
    distanceM: 2_500,
    itemsMinor: undefined,
    tariff: { baseMinor: 299, perKmMinor: 50 },
    zone: undefined,
    atMs: FRIDAY_EVENING,
    timeZone: "Europe/Stockholm",
    ...changes,
  });
}

Deno.test("priceDelivery() is 2.99 + 0.50 a kilometre where no zone says otherwise", () => {
  assert.deepEqual(price(), [
    { kind: "delivery_base", label: "Delivery", amountMinor: 299 },
    { kind: "distance", label: "Distance 2.5 km", amountMinor: 125 },
  ]);
});

Deno.test("priceDelivery() rounds each part for itself, a half up", () => {
  const distancePart = (distanceM: number) => sumOf(price({ distanceM }), "distance");
  assert.deepEqual([9, 10, 29, 30, 1_261].map(distancePart), [0, 1, 1, 2, 63]);
});

Deno.test("priceDelivery() takes fees of the zone, its surcharge and its smallest basket", () => {
  const fees = { baseMinor: 500, perKmMinor: 100, surchargeMinor: 250, minBasketMinor: 10_000 };
  assert.deepEqual(price({ zone: zone(fees), itemsMinor: 9_500 }), [
    { kind: "delivery_base", label: "Delivery", amountMinor: 500 },
    { kind: "distance", label: "Distance 2.5 km", amountMinor: 250 },
    { kind: "zone", label: "Harbour", amountMinor: 250 },
    { kind: "small_basket", label: "Small basket", amountMinor: 500 },
  ]);
  const kinds = (itemsMinor?: number) =>
    price({ zone: zone(fees), itemsMinor }).map(({ kind }) => kind);
  assert.equal(kinds(10_000).includes("small_basket"), false);
  assert.equal(kinds(undefined).includes("small_basket"), false, "a parcel has no basket");
});

Deno.test("priceDelivery() keeps a free base as a part, so that a price always says delivery", () => {
  const free = price({ zone: zone({ baseMinor: 0, perKmMinor: 0 }) });
  assert.deepEqual(free, [{ kind: "delivery_base", label: "Delivery", amountMinor: 0 }]);
});

Deno.test("priceDelivery() charges the dearest peak window of the moment, on the region's clock", () => {
  const peaks = [
    { label: "Evening", day: 5, opens: "18:00", closes: "20:00", multiplierPercent: 150 },
    { label: "Friday", day: 5, opens: "12:00", closes: "23:00", additionMinor: 100 },
    { label: "Night", day: 5, opens: "22:00", closes: "02:00", multiplierPercent: 200 },
  ];
  const at = (iso: string, timeZone = "Europe/Stockholm") =>
    price({ zone: zone({ peaks }), atMs: Date.parse(iso), timeZone })
      .filter(({ kind }) => kind === "peak")
      .map(({ label, amountMinor }) => `${label} ${amountMinor}`);
  assert.deepEqual(at("2026-11-20T17:30:00Z"), ["Evening 212"]);
  assert.deepEqual(at("2026-11-20T19:00:00Z"), ["Friday 100"]);
  assert.deepEqual(at("2026-11-21T00:59:00Z"), ["Night 424"]);
  assert.deepEqual(at("2026-11-21T01:00:00Z"), []);
  assert.deepEqual(at("2026-11-20T17:30:00Z", "UTC"), ["Friday 100"]);
});

Deno.test("priceDelivery() refuses a distance that is not whole: prices could not be worked out again", () => {
  for (const distanceM of [1.5, -1, NaN, Infinity]) {
    assert.throws(() => price({ distanceM }), RangeError, String(distanceM));
  }
});

Deno.test("a price is the sum of its parts, whole and not negative, whatever the tariff (property)", () => {
  console.log(`seed ${SEED}`);
  const fee = fc.integer({ min: 0, max: 1_000_000 });
  const perKm = fc.integer({ min: 0, max: 100_000 });
  const peak = fc.record({
    label: fc.constant("Peak"),
    day: fc.integer({ min: 1, max: 7 }),
    opens: fc.constantFrom("00:00", "12:00", "18:15"),
    closes: fc.constantFrom("02:00", "18:15", "24:00"),
    multiplierPercent: fc.integer({ min: 100, max: 1_000 }),
    additionMinor: fee,
  });
  const anyZone = fc.record({
    baseMinor: fc.option(fee),
    perKmMinor: fc.option(perKm),
    surchargeMinor: fee,
    minBasketMinor: fee,
    peaks: fc.array(peak, { maxLength: 4 }),
  }).map((fees) => zone(fees));
  const input = fc.record({
    distanceM: fc.integer({ min: 0, max: 1_000_000 }),
    itemsMinor: fc.option(fc.integer({ min: 0, max: 100_000_000 }), { nil: undefined }),
    tariff: fc.record({ baseMinor: fee, perKmMinor: perKm }),
    zone: fc.option(anyZone, { nil: undefined }),
    atMs: fc.integer({ min: 0, max: 4_102_444_800_000 }),
    timeZone: fc.constantFrom("Europe/Stockholm", "America/New_York", "UTC"),
  });
  fc.assert(
    fc.property(input, fc.nat(100_000_000), (asked, tipMinor) => {
      const delivery = priceDelivery(asked);
      const items = { kind: "items", label: "Items", amountMinor: asked.itemsMinor ?? 0 } as const;
      const { parts, totalMinor } = priceOf([items, ...delivery, ...tipPart(tipMinor)], "SEK");
      for (const { amountMinor } of parts) {
        assert.ok(Number.isSafeInteger(amountMinor) && amountMinor >= 0);
      }
      assert.equal(totalMinor, parts.reduce((sum, { amountMinor }) => sum + amountMinor, 0));
      assert.equal(deliveryMinorOf(parts) + items.amountMinor + tipMinor, totalMinor);
      assert.ok(deliveryMinorOf(parts) < 2 ** 31, "fits the column");
      // Each rounding is off by at most half a minor unit.
      const perKmMinor = asked.zone?.fees.perKmMinor ?? asked.tariff.perKmMinor;
      const exact = perKmMinor * asked.distanceM / 1_000;
      assert.ok(Math.abs(sumOf(delivery, "distance") - exact) <= 0.5);
    }),
    { seed: SEED, numRuns: 2_000 },
  );
});

Deno.test("roundedShare() is exact where a product of decimals is not (property)", () => {
  console.log(`seed ${SEED}`);
  assert.equal(roundedShare(1, 1, 2), 1);
  assert.equal(roundedShare(5, 1, 2), 3);
  assert.equal(roundedShare(0, 7, 10), 0);
  fc.assert(
    fc.property(
      fc.nat(1_000_000),
      fc.nat(1_000_000),
      fc.integer({ min: 1, max: 10_000 }),
      (amount, numerator, denominator) => {
        const exact = BigInt(amount) * BigInt(numerator);
        const [whole, rest] = [exact / BigInt(denominator), exact % BigInt(denominator)];
        const rounded = 2n * rest >= BigInt(denominator) ? whole + 1n : whole;
        assert.equal(BigInt(roundedShare(amount, numerator, denominator)), rounded);
      },
    ),
    { seed: SEED, numRuns: 2_000 },
  );
});

Deno.test("zoneOf() takes the highest priority, then the smaller id, whatever the order", () => {
  const zones = [zone({}, { id: "b" }), zone({}, { id: "a" }), zone({}, { id: "c", priority: -1 })];
  const inside = { lat: 0.5, lon: 0.5 };
  assert.equal(zoneOf(zones, inside)?.id, "a");
  assert.equal(zoneOf([...zones].reverse(), inside)?.id, "a");
  assert.equal(zoneOf([...zones, zone({}, { id: "d", priority: 5 })], inside)?.id, "d");
  assert.equal(zoneOf(zones, { lat: 1.5, lon: 0.5 }), undefined);
});

Deno.test("peaks and fees refuse negative, fractional and enormous money, and unknown fields", () => {
  const peak = { label: "Peak", day: 1, opens: "10:00", closes: "11:00" };
  assert.equal(peakSchema.safeParse(peak).success, true);
  for (
    const change of [
      { multiplierPercent: 99 },
      { multiplierPercent: 1_001 },
      { multiplierPercent: 150.5 },
      { additionMinor: -1 },
      { additionMinor: 1e308 },
      { label: "" },
      { day: 0 },
      { to: "12:00" },
    ]
  ) {
    assert.equal(
      peakSchema.safeParse({ ...peak, ...change }).success,
      false,
      JSON.stringify(change),
    );
  }
  for (
    const fees of [
      { baseMinor: -1 },
      { perKmMinor: 0.5 },
      { surchargeMinor: NaN },
      { minBasketMinor: 1e308 },
      { peaks: Array(51).fill(peak) },
      { fee: 1 },
    ]
  ) assert.equal(zoneFeesSchema.safeParse(fees).success, false, JSON.stringify(fees));
});
