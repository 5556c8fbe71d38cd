import type { Principal } from "shared/auth/principal.ts";
import type { Sessions } from "shared/auth/sessions.ts";

/** A courier sends every few seconds: without memory each fix would cost a look-up. */
const REMEMBER_MS = 5_000;
const MAX_REMEMBERED = 100_000;

/** Remembers who a token belongs to for 5 s, which is also how long a logout may go unseen. */
export class PrincipalCache {
  readonly #sessions: Sessions;
  readonly #now: () => number;
  readonly #remembered = new Map<string, { principal: Principal; untilMs: number }>();

  constructor(sessions: Sessions, now: () => number = () => performance.now()) {
    this.#sessions = sessions;
    this.#now = now;
  }

  async find(token: string): Promise<Principal | undefined> {
    const remembered = this.#remembered.get(token);
    if (remembered !== undefined && this.#now() < remembered.untilMs) return remembered.principal;
    this.#remembered.delete(token);
    const principal = await this.#sessions.find(token);
    if (principal === undefined) return undefined;
    if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear();
    this.#remembered.set(token, { principal, untilMs: this.#now() + REMEMBER_MS });
    return principal;
  }
}
