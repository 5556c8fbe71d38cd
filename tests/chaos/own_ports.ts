/**
 * Ports for the processes of a world, which listen on them seconds later and again after each kill.
 *
 * Below the range from which systems take ports for outgoing connections (32768 on Linux), because
 * a port that is free for a moment there is soon somebody's; and in a block that follows from this
 * process's id, because other worlds may be started at the same time.
 */
import { freePort } from "../../deploy/local/ports.ts";

const FIRST_PORT = 12_000;
const BLOCK = 100;
const BLOCKS = 200;
const LOOPBACK = "127.0.0.1";

let next = 0;

/** A port that is free now and that nobody else here will be given soon. */
export function ownPort(): number {
  const first = FIRST_PORT + (Deno.pid % BLOCKS) * BLOCK;
  for (let tries = 0; tries < BLOCK; tries++) {
    const port = first + next++ % BLOCK;
    if (isFree(port)) return port;
  }
  // Somebody uses the whole block: any port is better than none.
  return freePort();
}

function isFree(port: number): boolean {
  try {
    Deno.listen({ hostname: LOOPBACK, port }).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return false;
    throw error;
  }
}
