import type { Credentials } from "shared/auth/credentials.ts";
import type { Principal } from "shared/auth/principal.ts";
import { ProblemError } from "shared/problem/problem.ts";
import { requireSender } from "./require_courier.ts";

/** A courier sends every few seconds: without memory each fix would cost a look-up. */
const REMEMBER_MS = 4_000;
/**
 * While this process reads which credentials end, it need not look them up to know. It also bounds
 * how long a token is taken that only expired, or that a refresh has replaced.
 */
const REMEMBER_FOLLOWED_MS = 30_000;
const MAX_REMEMBERED = 100_000;
const BEARER = "Bearer ";

interface Remembered {
  readonly principal: Principal;
  readonly askedAtMs: number;
  /** The account, where it may send positions. */
  readonly senderId: string | undefined;
}

type Lookup = Pick<Credentials, "find" | "hasEnded"> & {
  readonly revocations: Pick<Credentials["revocations"], "isFresh">;
};

/**
 * Remembers who a token belongs to. A credential that ended is forgotten as soon as this process
 * reads of it; while it cannot read, after 4 s.
 */
export class PrincipalCache {
  readonly #credentials: Lookup;
  readonly #now: () => number;
  readonly #remembered = new Map<string, Remembered>();

  constructor(credentials: Lookup, now: () => number = () => performance.now()) {
    this.#credentials = credentials;
    this.#now = now;
  }

  /** @throws what the look-up throws when it cannot tell. */
  async find(token: string): Promise<Principal | undefined> {
    const remembered = this.#peek(token);
    if (remembered !== undefined) {
      return this.#credentials.hasEnded(remembered.principal) ? undefined : remembered.principal;
    }
    const askedAtMs = this.#now();
    const principal = await this.#credentials.find(token);
    if (principal === undefined) {
      this.#remembered.delete(token);
      return undefined;
    }
    if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear();
    this.#remembered.set(token, { principal, askedAtMs, senderId: senderIdOf(principal) });
    return principal;
  }

  /**
   * The courier of an `Authorization` header whose token is remembered and may send positions,
   * without waiting. The form of the header is not looked at: no other than a right one was
   * remembered.
   */
  peekSender(authorization: string): string | undefined {
    if (!authorization.startsWith(BEARER)) return undefined;
    const remembered = this.#peek(authorization.slice(BEARER.length));
    if (remembered?.senderId === undefined) return undefined;
    return this.#credentials.hasEnded(remembered.principal) ? undefined : remembered.senderId;
  }

  /**
   * The same where the memory has grown too old to be relied on: looks the token up again.
   *
   * @returns undefined for a token that was never known here, without a look-up.
   * @throws what the look-up throws when it cannot tell.
   */
  askSender(authorization: string): Promise<string | undefined> | undefined {
    const token = authorization.slice(BEARER.length);
    if (!authorization.startsWith(BEARER) || !this.#remembered.has(token)) return undefined;
    return this.find(token).then((found) => found === undefined ? undefined : senderIdOf(found));
  }

  #peek(token: string): Remembered | undefined {
    const remembered = this.#remembered.get(token);
    if (remembered === undefined) return undefined;
    const ageMs = this.#now() - remembered.askedAtMs;
    if (ageMs < REMEMBER_MS) return remembered;
    const isFollowed = this.#credentials.revocations.isFresh();
    return isFollowed && ageMs < REMEMBER_FOLLOWED_MS ? remembered : undefined;
  }
}

function senderIdOf(principal: Principal): string | undefined {
  try {
    return requireSender(principal).accountId;
  } catch (error) {
    // Who may not is told so when it asks.
    if (error instanceof ProblemError) return undefined;
    throw error;
  }
}
