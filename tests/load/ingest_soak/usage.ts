/** What processes use: CPU between two moments, and memory as it goes. */
import { cpuSecondsOf } from "../harness/cpu_time.ts";

const KB_PER_MB = 1_024;

/** Process ids by name. */
export type Pids = Readonly<Record<string, number>>;

/** Seconds of CPU so far, by name. */
export async function cpuOf(pids: Pids): Promise<Map<string, number>> {
  const entries = Object.entries(pids).map(async ([name, pid]) =>
    [name, await cpuSecondsOf([pid])] as const
  );
  return new Map(await Promise.all(entries));
}

/** Resident memory of one process, its children not counted (proc(5), VmRSS). */
export async function residentMb(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? NaN) / KB_PER_MB);
}

/** One look at the memory of one process. */
export interface Sample {
  readonly atMs: number;
  readonly mb: number;
}

export interface Trend {
  readonly firstMinuteMb: number;
  readonly lastMinuteMb: number;
  /** Least squares over all of it. */
  readonly slopeMbPerMin: number;
}

/** How memory went; minutes that the samples do not fill are as long as the samples. */
export function trendOf(samples: readonly Sample[]): Trend {
  const first = samples[0]?.atMs ?? 0;
  const last = samples.at(-1)?.atMs ?? 0;
  const mean = (some: readonly Sample[]) => some.reduce((sum, { mb }) => sum + mb, 0) / some.length;
  const meanAtMs = samples.reduce((sum, { atMs }) => sum + atMs, 0) / samples.length;
  const meanMb = mean(samples);
  let along = 0;
  let square = 0;
  for (const { atMs, mb } of samples) {
    along += (atMs - meanAtMs) * (mb - meanMb);
    square += (atMs - meanAtMs) ** 2;
  }
  const tenth = (value: number) => Math.round(value * 10) / 10;
  return {
    firstMinuteMb: tenth(mean(samples.filter(({ atMs }) => atMs - first <= 60_000))),
    lastMinuteMb: tenth(mean(samples.filter(({ atMs }) => last - atMs <= 60_000))),
    slopeMbPerMin: tenth(square === 0 ? 0 : along / square * 60_000),
  };
}
