/** Rule I10: what the processes wrote and how they ended. */
import type { Evidence, Violation } from "./evidence.ts";

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
  const killed = [...expected.killed ?? []];
  for (const { name, signal, code } of endings) {
    const at = killed.indexOf(name);
    if (at === -1) details.push(`${name} ended by itself (${signal ?? `exit code ${code}`})`);
    else killed.splice(at, 1);
  }
  for (const name of killed) details.push(`${name} was to be killed and was not`);
  return details.map((detail) => ({ rule: "I10", detail }));
}
