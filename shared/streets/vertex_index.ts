/** Places closer than this to each other (1e-7 degrees, OpenStreetMap's own unit, about 1 cm) are one vertex. */
const UNITS_PER_DEGREE = 1e7;

/**
 * Numbers places in the order they are first seen. A hash table over typed arrays: a Map of strings
 * takes four times as long, and this runs in every service's start.
 */
export class VertexIndex {
  readonly #mask: number;
  readonly #slots: Int32Array;
  readonly #latUnits: Int32Array;
  readonly #lonUnits: Int32Array;
  #size = 0;

  /** @param capacity the most places that will be added. */
  constructor(capacity: number) {
    const slotCount = 2 ** Math.ceil(Math.log2(Math.max(2, capacity * 2)));
    this.#mask = slotCount - 1;
    this.#slots = new Int32Array(slotCount).fill(-1);
    this.#latUnits = new Int32Array(capacity);
    this.#lonUnits = new Int32Array(capacity);
  }

  get size(): number {
    return this.#size;
  }

  /** The number of the place, a new one if it was not seen before. */
  add(lat: number, lon: number): number {
    const latUnits = Math.round(lat * UNITS_PER_DEGREE);
    const lonUnits = Math.round(lon * UNITS_PER_DEGREE);
    // Multiplicative hashing by odd constants near 2^32 / golden ratio (Knuth, TAOCP 3, 6.4).
    let hash = Math.imul(latUnits, 0x9e3779b1) ^ Math.imul(lonUnits, 0x85ebca6b);
    hash ^= hash >>> 15;
    // At most half of the slots are ever taken, so an empty one ends the walk.
    for (let slot = hash & this.#mask;; slot = (slot + 1) & this.#mask) {
      const vertex = this.#slots[slot]!;
      if (vertex === -1) return this.#append(slot, latUnits, lonUnits);
      if (this.#latUnits[vertex] === latUnits && this.#lonUnits[vertex] === lonUnits) return vertex;
    }
  }

  lat(vertex: number): number {
    return this.#latUnits[vertex]! / UNITS_PER_DEGREE;
  }

  lon(vertex: number): number {
    return this.#lonUnits[vertex]! / UNITS_PER_DEGREE;
  }

  #append(slot: number, latUnits: number, lonUnits: number): number {
    if (this.#size >= this.#latUnits.length) {
      throw new RangeError(`Cannot add a vertex: the index was made for ${this.#size}`);
    }
    this.#slots[slot] = this.#size;
    this.#latUnits[this.#size] = latUnits;
    this.#lonUnits[this.#size] = lonUnits;
    return this.#size++;
  }
}
