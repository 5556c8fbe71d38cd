/** What a figure was measured on, and what else was running. */

/** `2 x Intel Xeon, 24 GB, linux x86_64`. */
export async function describeMachine(): Promise<string> {
  const cpu = /model name\s*:\s*(.+)/.exec(await Deno.readTextFile("/proc/cpuinfo"))?.[1] ?? "CPU";
  const memoryGb = Math.round(Deno.systemMemoryInfo().total / 2 ** 30);
  return `${navigator.hardwareConcurrency} x ${cpu.trim()}, ${memoryGb} GB, ` +
    `${Deno.build.os} ${Deno.build.arch}`;
}

/** Share of the last 10 s in which some process waited for a CPU, as the kernel tells it. */
export async function cpuPressure(): Promise<string> {
  try {
    const text = await Deno.readTextFile("/proc/pressure/cpu");
    return `${/some avg10=([\d.]+)/.exec(text)?.[1] ?? "?"} %`;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "unknown";
    throw error;
  }
}
