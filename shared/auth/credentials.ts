import type { Log } from "shared/log/log.ts";
import { ProblemError } from "shared/problem/problem.ts";
import type { Redis } from "shared/redis/connect.ts";
import type { RedisKeys } from "shared/redis/keys.ts";
import type { Sql } from "shared/sql/connect.ts";
import { isJwt, verifyAccessToken } from "./access_tokens.ts";
import { ApiKeys, isApiKey } from "./api_keys.ts";
import { credentialId, type Principal } from "./principal.ts";
import { Revocations } from "./revocations.ts";
import { Sessions } from "./sessions.ts";
import { VerifyingKeys } from "./signing_keys.ts";

export interface CredentialsDeps {
  readonly sql: Sql;
  readonly redis: Redis;
  readonly keys: RedisKeys;
  readonly log: Log;
  /** Who signs access tokens; the same for every service of an installation. */
  readonly tokenIssuer: string;
  /** Of the look-ups of sessions (`SessionsDeps`). */
  readonly paceMs?: number;
}

/**
 * Everything that may stand behind `Authorization: Bearer`: a session's token, an access token or an
 * API key. Run `revocations` and `apiKeys` beside it.
 */
export class Credentials {
  readonly sessions: Sessions;
  readonly apiKeys: ApiKeys;
  readonly verifyingKeys: VerifyingKeys;
  readonly revocations: Revocations;
  readonly tokenIssuer: string;

  constructor(deps: CredentialsDeps) {
    this.sessions = new Sessions(deps);
    this.apiKeys = new ApiKeys(deps);
    this.verifyingKeys = new VerifyingKeys(deps);
    this.revocations = new Revocations(deps);
    this.tokenIssuer = deps.tokenIssuer;
  }

  /** Who a token speaks for; undefined for any text that opens nothing. */
  async find(token: string): Promise<Principal | undefined> {
    const principal = await this.#look(token);
    if (principal === undefined || this.hasEnded(principal)) return undefined;
    return principal;
  }

  /** Whether the credential is known to have ended; for what remembers principals. */
  hasEnded({ credential }: Principal): boolean {
    return this.revocations.isRevoked(credentialId(credential));
  }

  async #look(token: string): Promise<Principal | undefined> {
    if (isApiKey(token)) return await this.apiKeys.find(token);
    if (!isJwt(token)) return await this.sessions.find(token);
    const principal = await verifyAccessToken(this.verifyingKeys, this.tokenIssuer, token);
    // Only what was read tells whether its session still stands: better no answer than a wrong one.
    if (principal !== undefined && !this.revocations.isFresh()) {
      throw new ProblemError("service.unavailable", { retryAfterS: 1 });
    }
    return principal;
  }

  /** Reads revocations and writes uses of keys until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.revocations.run(signal), this.apiKeys.run(signal)]);
  }
}
