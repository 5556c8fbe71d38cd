/**
 * Access tokens: JWTs (RFC 7519, profile of RFC 9068) that ingest and tracker verify without asking
 * a store. Everything that a token could say about its own verification is pinned: algorithm, type,
 * issuer and audience are ours, its key is looked up by `kid` among our own, and `jwk`, `jku`, `x5u`
 * and the like are never read (RFC 8725).
 */
import { type CryptoKey, errors, jwtVerify, SignJWT } from "jose";
import { z } from "zod";
import { uuidv7 } from "shared/ids/uuid.ts";
import { MODES, type Principal, ROLES } from "./principal.ts";
import type { SigningKeys, VerifyingKeys } from "./signing_keys.ts";

const ALGORITHM = "EdDSA";
const TYPE = "at+jwt";
const AUDIENCE = "hexmile";
/** With the leeway below it is accepted 4.5 min at most. */
export const ACCESS_TOKEN_TTL_S = 240;
/** How far clocks of two machines may differ. */
const LEEWAY_S = 30;
/** A key id is an RFC 7638 thumbprint; nothing else is looked up. */
const KID = /^[A-Za-z0-9_-]{43}$/;
const REQUIRED = ["sub", "sid", "role", "mode", "iat", "exp", "jti"];

const claims = z.object({
  sub: z.uuid(),
  sid: z.uuid(),
  role: z.enum(ROLES),
  mode: z.enum(MODES),
});

/** An access token and when it ends. */
export interface IssuedToken {
  readonly token: string;
  readonly expiresAt: Date;
}

/** Whether the text could be a JWT: three parts. */
export function isJwt(token: string): boolean {
  return token.split(".").length === 3;
}

/** Makes a token for a session; it ends with it at the latest. */
export async function issueAccessToken(
  keys: SigningKeys,
  issuer: string,
  grant: {
    readonly principal: Principal;
    readonly sessionId: string;
    readonly sessionExpiresAt: Date;
    readonly now?: Date;
  },
): Promise<IssuedToken> {
  const { principal, sessionId, sessionExpiresAt, now = new Date() } = grant;
  const issuedAtS = Math.floor(now.getTime() / 1000);
  const sessionEndS = Math.floor(sessionExpiresAt.getTime() / 1000);
  const expiresAtS = Math.min(issuedAtS + ACCESS_TOKEN_TTL_S, sessionEndS);
  const { kid, key } = await keys.current();
  const { accountId, role, mode } = principal;
  const token = await new SignJWT({ sid: sessionId, role, mode })
    .setProtectedHeader({ alg: ALGORITHM, typ: TYPE, kid })
    .setIssuer(issuer)
    .setAudience(AUDIENCE)
    .setSubject(accountId)
    .setJti(uuidv7())
    .setIssuedAt(issuedAtS)
    .setExpirationTime(expiresAtS)
    .sign(key);
  return { token, expiresAt: new Date(expiresAtS * 1000) };
}

/**
 * Who an access token speaks for; undefined for any text that is no valid one.
 *
 * @throws when the keys cannot be read.
 */
export async function verifyAccessToken(
  keys: VerifyingKeys,
  issuer: string,
  token: string,
  now: Date = new Date(),
): Promise<Principal | undefined> {
  try {
    const { payload } = await jwtVerify(token, ({ kid }) => keyOf(keys, kid), {
      algorithms: [ALGORITHM],
      typ: TYPE,
      issuer,
      audience: AUDIENCE,
      requiredClaims: REQUIRED,
      maxTokenAge: ACCESS_TOKEN_TTL_S,
      clockTolerance: LEEWAY_S,
      currentDate: now,
    });
    const parsed = claims.safeParse(payload);
    if (!parsed.success) return undefined;
    const { sub, sid, role, mode } = parsed.data;
    const credential = { kind: "access_token", sessionId: sid } as const;
    return { accountId: sub, role, mode, credential };
  } catch (error) {
    if (error instanceof errors.JOSEError) return undefined;
    throw error;
  }
}

async function keyOf(keys: VerifyingKeys, kid: string | undefined): Promise<CryptoKey> {
  const key = kid !== undefined && KID.test(kid) ? await keys.find(kid) : undefined;
  if (key === undefined) throw new errors.JWKSNoMatchingKey();
  return key;
}
