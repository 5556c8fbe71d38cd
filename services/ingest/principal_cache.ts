import type { Credentials } from "shared/auth/credentials.ts";
import type { Principal } from "shared/auth/principal.ts";
import { askAheadMs } from "shared/cache/ask_ahead.ts";
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
/** A token that nobody has used for so long is forgotten: who opened a socket does not send it again. */
const FORGET_MS = 5 * 60_000;
/** Looked at whenever one is remembered: more than one, so that what has piled up goes, too. */
const MAX_FORGOTTEN_AT_ONCE = 4;
/** Tokens looked up ahead at once; what is over it is asked again when it is used next. */
const MAX_ASKED_AHEAD = 100;
const BEARER = "Bearer ";

interface Remembered {
  readonly principal: Principal;
  readonly askedAtMs: number;
  /** The account, where it may send positions. */
  readonly senderId: string | undefined;
  /** From then on it is looked up again by the way; Infinity while that is under way. */
  askAgainAtMs: number;
}

type Lookup = Pick<Credentials, "find" | "hasEnded"> & {
  readonly revocations: Pick<Credentials["revocations"], "isFresh">;
};

/** What the cache asks for besides tokens. */
export interface PrincipalCacheSources {
  /** Milliseconds of a clock that never jumps. */
  readonly now?: () => number;
  /** In [0, 1). */
  readonly random?: () => number;
}

/**
 * Remembers who a token belongs to. A credential that ended is forgotten as soon as this process
 * reads of it; while it cannot read, after 4 s.
 *
 * A token in use is looked up again before its memory ends, at a moment of its own, and its requests
 * do not wait for that: after a restart all phones come within seconds, and would all wait again
 * each half a minute, at the same time.
 */
export class PrincipalCache {
  readonly #credentials: Lookup;
  readonly #now: () => number;
  readonly #random: () => number;
  readonly #remembered = new Map<string, Remembered>();
  #askedAhead = 0;

  constructor(credentials: Lookup, { now, random }: PrincipalCacheSources = {}) {
    this.#credentials = credentials;
    this.#now = now ?? (() => performance.now());
    this.#random = random ?? Math.random;
  }

  /** @throws what the look-up throws when it cannot tell. */
  async find(token: string): Promise<Principal | undefined> {
    const remembered = this.#peek(token);
    if (remembered !== undefined) {
      return this.#credentials.hasEnded(remembered.principal) ? undefined : remembered.principal;
    }
    return await this.#lookUp(token);
  }

  async #lookUp(token: string): Promise<Principal | undefined> {
    const askedAtMs = this.#now();
    const principal = await this.#credentials.find(token);
    if (principal === undefined) {
      this.#remembered.delete(token);
      return undefined;
    }
    if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear();
    this.#forgetUnused();
    // Deleted first, so that what is in use stands behind what is not.
    this.#remembered.delete(token);
    this.#remembered.set(token, {
      principal,
      askedAtMs,
      senderId: senderIdOf(principal),
      askAgainAtMs: askedAtMs + askAheadMs(REMEMBER_FOLLOWED_MS, this.#random()),
    });
    return principal;
  }

  #forgetUnused(): void {
    const beforeMs = this.#now() - FORGET_MS;
    let left = MAX_FORGOTTEN_AT_ONCE;
    for (const [token, { askedAtMs }] of this.#remembered) {
      if (left-- === 0 || askedAtMs >= beforeMs) return;
      this.#remembered.delete(token);
    }
  }

  /** Never rejects. */
  async #askAhead(token: string, remembered: Remembered): Promise<void> {
    if (this.#askedAhead >= MAX_ASKED_AHEAD) return;
    this.#askedAhead++;
    remembered.askAgainAtMs = Infinity;
    try {
      await this.#lookUp(token);
    } catch {
      // Whoever comes next asks again, and is told what fails where nothing is remembered any more.
      remembered.askAgainAtMs = this.#now();
    }
    this.#askedAhead--;
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
    const nowMs = this.#now();
    const ageMs = nowMs - remembered.askedAtMs;
    if (ageMs < REMEMBER_MS) return remembered;
    const isFollowed = this.#credentials.revocations.isFresh();
    if (!isFollowed || ageMs >= REMEMBER_FOLLOWED_MS) return undefined;
    if (nowMs >= remembered.askAgainAtMs) void this.#askAhead(token, remembered);
    return remembered;
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
