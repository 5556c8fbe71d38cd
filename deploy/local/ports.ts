/** TCP ports on the loopback interface: a free one, or a clear sentence when one is taken. */
import { SetupError } from "./setup_error.ts";

const LOOPBACK = "127.0.0.1";

/**
 * A port that was free a moment ago. Another program may take it before our server does; servers
 * then fail to start and say so.
 */
export function freePort(): number {
  const listener = Deno.listen({ hostname: LOOPBACK, port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}

/**
 * Checks that `port` can be listened on now. Throws `SetupError` naming what wanted it and the
 * `option` that changes it.
 */
export function requireFreePort(port: number, what: string, option: string): void {
  try {
    Deno.listen({ hostname: LOOPBACK, port }).close();
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) {
      throw new SetupError(
        `Port ${port} for ${what} is taken by another program: stop it, or choose another ${option}.`,
      );
    }
    if (error instanceof Deno.errors.PermissionDenied) {
      throw new SetupError(
        `Port ${port} for ${what} may not be used by this user: choose another ${option}.`,
      );
    }
    throw error;
  }
}
