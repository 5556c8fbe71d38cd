/** What the phones were promised and what the stream had, small enough for millions of fixes. */

/** One bit for each fix of each phone. */
export class SlotBits {
  readonly bytes: Uint8Array;
  readonly #slots: number;

  constructor(phones: number, slots: number, bytes?: Uint8Array) {
    this.#slots = slots;
    this.bytes = bytes ?? new Uint8Array(Math.ceil(phones * slots / 8));
  }

  /** Slots beyond the run are nobody's. */
  set(phone: number, slot: number): void {
    if (slot < 0 || slot >= this.#slots) return;
    const bit = phone * this.#slots + slot;
    this.bytes[bit >> 3] = (this.bytes[bit >> 3] ?? 0) | 1 << (bit & 7);
  }

  has(phone: number, slot: number): boolean {
    const bit = phone * this.#slots + slot;
    return slot >= 0 && slot < this.#slots && ((this.bytes[bit >> 3] ?? 0) >> (bit & 7) & 1) === 1;
  }
}

/** How many bits stand in the first that do not stand in the second. */
export function countMissing(wanted: Uint8Array, found: Uint8Array): number {
  let missing = 0;
  for (const [index, byte] of wanted.entries()) {
    for (let rest = byte & ~(found[index] ?? 0); rest !== 0; rest &= rest - 1) missing++;
  }
  return missing;
}

/** How many bits stand. */
export function countSet(bytes: Uint8Array): number {
  return countMissing(bytes, new Uint8Array(bytes.length));
}
