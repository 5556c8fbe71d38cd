import type { Credentials } from "shared/auth/credentials.ts";
import type { Principal } from "shared/auth/principal.ts";

/** A courier sends every few seconds: without memory each fix would cost a look-up. */
const REMEMBER_MS = 4_000;
const MAX_REMEMBERED = 100_000;

/**
 * Remembers who a token belongs to for 4 s. A credential that ended is forgotten as soon as this
 * process reads of it, and after that time in any case.
 */
export class PrincipalCache {
  readonly #credentials: Pick<Credentials, "find" | "hasEnded">;
  readonly #now: () => number;
  readonly #remembered = new Map<string, { principal: Principal; untilMs: number }>();

  constructor(
    credentials: Pick<Credentials, "find" | "hasEnded">,
    now: () => number = () => performance.now(),
  ) {
    this.#credentials = credentials;
    this.#now = now;
  }

  /** @throws what the look-up throws when it cannot tell. */
  async find(token: string): Promise<Principal | undefined> {
    const remembered = this.#remembered.get(token);
    if (remembered !== undefined && this.#now() < remembered.untilMs) {
      return this.#credentials.hasEnded(remembered.principal) ? undefined : remembered.principal;
    }
    this.#remembered.delete(token);
    const askedAtMs = this.#now();
    const principal = await this.#credentials.find(token);
    if (principal === undefined) return undefined;
    if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear();
    this.#remembered.set(token, { principal, untilMs: askedAtMs + REMEMBER_MS });
    return principal;
  }
}
