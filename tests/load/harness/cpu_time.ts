/** CPU time of whole process trees, from Linux's /proc (proc(5), "stat"). */

/** Fields of /proc/<pid>/stat after the command name, which may hold blanks and brackets. */
const FIELD = { parentPid: 1, userTicks: 11, systemTicks: 12, endedUserTicks: 13, endedSystem: 14 };
/** USER_HZ: 100 on every Linux that Deno runs on. */
const TICKS_PER_S = 100;

interface ProcessTimes {
  readonly parentPid: number;
  /** Of the process and of its children that have ended and were waited for. */
  readonly cpuS: number;
}

/**
 * Seconds of CPU, user and system, that the processes and all they have started have used so far,
 * those that have ended included. Take it twice and subtract.
 */
export async function cpuSecondsOf(pids: readonly number[]): Promise<number> {
  const times = await readAll();
  let total = 0;
  for (const [pid, { cpuS }] of times) {
    if (isBelow(pid, pids, times)) total += cpuS;
  }
  return total;
}

/** Walks up at most as many steps as there are processes. */
function isBelow(
  pid: number,
  roots: readonly number[],
  times: ReadonlyMap<number, ProcessTimes>,
): boolean {
  let at: number | undefined = pid;
  for (let steps = 0; at !== undefined && steps <= times.size; steps++) {
    if (roots.includes(at)) return true;
    at = times.get(at)?.parentPid;
  }
  return false;
}

async function readAll(): Promise<Map<number, ProcessTimes>> {
  const times = new Map<number, ProcessTimes>();
  for await (const { name } of Deno.readDir("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    try {
      times.set(pid, parseStat(await Deno.readTextFile(`/proc/${pid}/stat`)));
    } catch (error) {
      // The process has ended since the folder was listed (ESRCH while its file is read).
      if (!(error instanceof Error) || !/No such|os error (2|3)\b/.test(error.message)) throw error;
    }
  }
  return times;
}

/** Reads one /proc/<pid>/stat. */
export function parseStat(text: string): ProcessTimes {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ").map(Number);
  const at = (index: number) => fields[index] ?? 0;
  const ticks = at(FIELD.userTicks) + at(FIELD.systemTicks) + at(FIELD.endedUserTicks) +
    at(FIELD.endedSystem);
  return { parentPid: at(FIELD.parentPid), cpuS: ticks / TICKS_PER_S };
}
