/**
 * Numbers in [0, 1) that follow from a 32-bit seed alone: sfc32 (C. Doty-Humphrey, PractRand), whose
 * period is at least 2^32. For simulations and tests; never for secrets.
 */
export function createSeededRandom(seed: number): () => number {
  let a = 0x9e3779b9, b = 0x243f6a88, c = seed >>> 0, counter = 1;
  const next = () => {
    const sum = (a + b + counter) >>> 0;
    counter = (counter + 1) >>> 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) >>> 0;
    c = (((c << 21) | (c >>> 11)) + sum) >>> 0;
    return sum / 2 ** 32;
  };
  // The author's number of rounds until a poor seed no longer shows.
  for (let round = 0; round < 15; round++) next();
  return next;
}
