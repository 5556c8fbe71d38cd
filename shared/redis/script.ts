import { createHash } from "node:crypto";
import type { Redis } from "./connect.ts";

/** A Lua script by its text; its SHA-1 is computed once. */
export interface Script {
  readonly name: string;
  readonly lua: string;
}

const digests = new WeakMap<Script, string>();

/**
 * Runs a script by EVALSHA, and by EVAL where the server does not know it yet (first use, restart).
 *
 * @returns the raw reply; the caller parses it.
 */
export async function runScript(
  redis: Redis,
  script: Script,
  keys: readonly string[],
  args: readonly (string | number | Buffer)[],
): Promise<unknown> {
  const sha = digestOf(script);
  try {
    return await redis.evalsha(sha, keys.length, ...keys, ...args);
  } catch (error) {
    // The server refused it unread, so running it now cannot run it twice.
    if (!(error instanceof Error) || !error.message.startsWith("NOSCRIPT")) throw error;
    return await redis.eval(script.lua, keys.length, ...keys, ...args);
  }
}

function digestOf(script: Script): string {
  let digest = digests.get(script);
  if (digest === undefined) {
    digest = createHash("sha1").update(script.lua).digest("hex");
    digests.set(script, digest);
  }
  return digest;
}
