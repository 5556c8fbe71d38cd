/** Rule I10: what the processes wrote and how they ended. */
import type { Evidence, Expected, Violation } from "./evidence.ts";
import type { Ending } from "./world.ts";

/** A pair of coordinates as our code would write it. */
const COORDINATES = /"(?:lat|lon)":-?\d/;
const UNHANDLED = /"message":"unhandled (?:rejection|error)"/;
const MAX_QUOTED = 300;

/** Checks logs and ends of processes. */
export function checkProcesses(evidence: Evidence): Violation[] {
  const { logLines, secrets, endings, expected } = evidence;
  const details: string[] = [];
  for (const line of logLines) {
    const secret = secrets.findIndex((text) => line.includes(text));
    if (secret !== -1) {
      details.push(`secret ${secret} is in a log line: ${line.slice(0, MAX_QUOTED)}`);
    }
    if (COORDINATES.test(line)) {
      details.push(`coordinates are logged: ${line.slice(0, MAX_QUOTED)}`);
    }
    if (UNHANDLED.test(line)) details.push(`unhandled: ${line.slice(0, MAX_QUOTED)}`);
  }
  details.push(...unexpectedEndings(endings, expected));
  return details.map((detail) => ({ rule: "I10", detail }));
}

function unexpectedEndings(
  endings: readonly Ending[],
  { killed = [], drained = [] }: Expected,
): string[] {
  const details: string[] = [];
  const toKill = [...killed];
  const toDrain = [...drained];
  const takeOff = (names: string[], name: string) => {
    const at = names.indexOf(name);
    if (at !== -1) names.splice(at, 1);
    return at !== -1;
  };
  for (const { name, signal, code } of endings) {
    if (signal === null && code === 0 && takeOff(toDrain, name)) continue;
    if (takeOff(toKill, name)) continue;
    details.push(`${name} ended by itself (${signal ?? `exit code ${code}`})`);
  }
  for (const name of toKill) details.push(`${name} was to be killed and was not`);
  for (const name of toDrain) details.push(`${name} was to drain and end with exit code 0`);
  return details;
}
