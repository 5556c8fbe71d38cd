/** Repeatable randomness: each agent owns one generator, so that one agent never disturbs another. */
import { createSeededRandom } from "shared/city/seeded_random.ts";

/** Numbers in [0, 1). Not for secrets. */
export type Random = () => number;

/**
 * A generator whose sequence follows from the seed and the owner's name alone. Both are mixed first,
 * because neighbouring seeds must not give related couriers.
 */
export function createRandom(seed: number, name: string): Random {
  return createSeededRandom(hash32(name, seed >>> 0));
}

/** Uniform in [min, max). */
export function uniform(random: Random, min: number, max: number): number {
  return min + (max - min) * random();
}

/** A whole number from `min` to `max`, both included. */
export function wholeNumber(random: Random, min: number, max: number): number {
  return min + Math.floor(random() * (max - min + 1));
}

/** One entry; undefined only where there is none. */
export function pick<T>(random: Random, entries: readonly T[]): T | undefined {
  return entries[Math.floor(random() * entries.length)];
}

/**
 * Two independent standard normal numbers (G. E. P. Box, M. E. Muller, "A note on the generation of
 * random normal deviates", 1958).
 */
export function normalPair(random: Random): readonly [number, number] {
  // 1 - u lies in (0, 1], where the logarithm is finite.
  const radius = Math.sqrt(-2 * Math.log(1 - random()));
  const angle = 2 * Math.PI * random();
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
}

/** The wait until the next event of a Poisson process with this mean, by inversion. */
export function exponential(random: Random, mean: number): number {
  return -mean * Math.log(1 - random());
}

/** FNV-1a (G. Fowler, L. C. Noll, K.-P. Vo) over the UTF-16 units, finished by the mixer of MurmurHash3 (A. Appleby). */
function hash32(text: string, seed: number): number {
  let hash = seed ^ 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
