/**
 * Signing in, and staying signed in.
 *
 * Contract: over all agents at most `MAX_SIGN_INS_AT_ONCE` sign-ins are under way, because each costs
 * the server 60-100 ms of CPU (Argon2id). A sign-in that fails is tried again, with back-off and
 * outside the gate, until it succeeds or the process stops. One session never signs in twice at
 * once, whichever of its loops notices first that the token is no longer good.
 */
import { noteFailure, type Surroundings } from "./agent.ts";
import { ApiError } from "./api_client.ts";
import { backoffMs } from "./backoff.ts";
import { Gate } from "./gate.ts";

export const MAX_SIGN_INS_AT_ONCE = 2;
/** Wrong credentials will hardly become right, unless the demo is still being seeded. */
const REFUSED_RETRY_MS = 30_000;

/** Thrown out of `Session.call` when the process stops before there is a token. */
export class StoppedError extends Error {
  override readonly name = "StoppedError";
}

export interface Credentials {
  readonly email: string;
  readonly password: string;
}

/** The door all sessions of a process go through. */
export function createSignInGate(): Gate {
  return new Gate(MAX_SIGN_INS_AT_ONCE);
}

/** One account's token. */
export class Session {
  readonly #around: Surroundings;
  readonly #credentials: Credentials;
  readonly #gate: Gate;
  #token: string | undefined;
  #signingIn: Promise<string> | undefined;

  constructor(around: Surroundings, credentials: Credentials, gate: Gate) {
    this.#around = around;
    this.#credentials = credentials;
    this.#gate = gate;
  }

  /**
   * Makes a call with the token, signing in first where there is none. A 401 drops the token and the
   * call is made once more with a new one; what else the call throws passes through.
   *
   * @throws StoppedError when the process stops before the sign-in succeeded.
   */
  async call<T>(make: (token: string) => Promise<T>): Promise<T> {
    const token = this.#token ?? await this.#signIn();
    try {
      return await make(token);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401) throw error;
      if (this.#token === token) this.#token = undefined;
      return await make(this.#token ?? await this.#signIn());
    }
  }

  #signIn(): Promise<string> {
    this.#signingIn ??= this.#signInUntilDone().finally(() => this.#signingIn = undefined);
    return this.#signingIn;
  }

  async #signInUntilDone(): Promise<string> {
    const { api, clock, stop, random, metrics, log, role: agent } = this.#around;
    const { email, password } = this.#credentials;
    for (let failures = 0; !stop.aborted;) {
      try {
        const signedIn = await this.#gate.run(() => api.signIn(email, password), stop);
        if (signedIn === undefined) break;
        metrics.signIns.inc({ agent, result: "accepted" });
        this.#token = signedIn.token;
        return signedIn.token;
      } catch (error) {
        if (stop.aborted) break;
        failures++;
        const refused = error instanceof ApiError && error.status === 401;
        metrics.signIns.inc({ agent, result: refused ? "refused" : "failed" });
        if (refused) log.warn("sign-in refused: is the demo seeded with this password?");
        else noteFailure(this.#around, error);
        const asked = error instanceof ApiError ? error.retryAfterMs ?? 0 : 0;
        const waitMs = refused ? REFUSED_RETRY_MS : backoffMs(failures, random);
        await clock.pause(Math.max(asked, waitMs), stop);
      }
    }
    throw new StoppedError("Cannot sign in: the simulator stops");
  }
}
