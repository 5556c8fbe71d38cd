/**
 * Vehicle and skills of a courier as bits of one number, so that a search for something rare turns
 * away thousands of couriers without looking at any object. A hint only: what the bits let through
 * is judged by `fits`.
 */
import { VEHICLES } from "shared/streets/vehicle.ts";
import type { CourierFilter, CourierProfile } from "./nearest_couriers.ts";

/** Skills that have a bit; those that come later are left to `fits`. */
const MAX_SKILLS = 31 - VEHICLES.length;
const ALL_VEHICLES = (1 << VEHICLES.length) - 1;

/** What a courier's bits must have. */
export interface WantedBits {
  readonly anyOf: number;
  readonly allOf: number;
}

export class ProfileBits {
  readonly #skills = new Map<string, number>();

  /** The bits of a courier. */
  of({ vehicle, skills }: Pick<CourierProfile, "vehicle" | "skills">): number {
    let bits = 1 << VEHICLES.indexOf(vehicle);
    for (const skill of skills) bits |= this.#bitOf(skill);
    return bits;
  }

  /** The bits that a filter asks for; an unknown skill asks for none here. */
  wantedBy({ vehicles, skills }: CourierFilter): WantedBits {
    let anyOf = vehicles === undefined ? ALL_VEHICLES : 0;
    for (const vehicle of vehicles ?? []) anyOf |= 1 << VEHICLES.indexOf(vehicle);
    let allOf = 0;
    for (const skill of skills ?? []) allOf |= this.#skills.get(skill) ?? 0;
    return { anyOf, allOf };
  }

  #bitOf(skill: string): number {
    const known = this.#skills.get(skill);
    if (known !== undefined) return known;
    if (this.#skills.size >= MAX_SKILLS) return 0;
    const bit = 1 << (VEHICLES.length + this.#skills.size);
    this.#skills.set(skill, bit);
    return bit;
  }
}
