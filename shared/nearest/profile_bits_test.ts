import assert from "node:assert/strict";
import { createSeededRandom } from "shared/city/seeded_random.ts";
import { VEHICLES } from "shared/streets/vehicle.ts";
import { type CourierFilter, fits } from "./nearest_couriers.ts";
import { ProfileBits } from "./profile_bits.ts";

Deno.test("ProfileBits lets through whoever fits, also with more skills than there are bits", () => {
  const seed = Math.floor(Math.random() * 2 ** 32);
  const random = createSeededRandom(seed);
  const bits = new ProfileBits();
  const skills = Array.from({ length: 40 }, (_, index) => `skill_${index}`);
  const some = <Item>(items: readonly Item[], share: number) =>
    items.filter(() => random() < share);
  const base = {
    id: "c",
    capacity: 1,
    activeAssignments: 0,
    rating: 5,
    fleet: null,
    status: "available",
    version: 1,
  } as const;
  let turnedAway = 0;
  let through = 0;
  for (let round = 0; round < 5_000; round++) {
    const vehicle = VEHICLES[Math.floor(random() * VEHICLES.length)] ?? "car";
    const profile = { ...base, vehicle, skills: some(skills, 0.5) };
    const own = bits.of(profile);
    const filter: CourierFilter = {
      vehicles: random() < 0.5 ? undefined : some(VEHICLES, 0.4),
      skills: random() < 0.3 ? undefined : some(skills, 0.03),
    };
    const { anyOf, allOf } = bits.wantedBy(filter);
    const isLetThrough = (own & anyOf) !== 0 && (own & allOf) === allOf;
    if (fits(profile, filter)) {
      through++;
      assert.ok(isLetThrough, `seed ${seed}: ${JSON.stringify({ profile, filter })}`);
    } else if (!isLetThrough) turnedAway++;
  }
  assert.ok(through > 500 && turnedAway > 500, `seed ${seed}: ${through}, ${turnedAway}`);
});
