/** Access tokens: what is accepted, what is not, and how their keys come and go. */
import assert from "node:assert/strict";
import {
  calculateJwkThumbprint,
  decodeProtectedHeader,
  exportJWK,
  generateKeyPair,
  SignJWT,
} from "jose";
import {
  ACCESS_TOKEN_TTL_S,
  issueAccessToken,
  verifyAccessToken,
} from "shared/auth/access_tokens.ts";
import type { Principal } from "shared/auth/principal.ts";
import { deriveSecrets } from "shared/auth/server_secrets.ts";
import { createSession } from "shared/auth/sessions.ts";
import {
  JWKS_MAX_AGE_S,
  type Signer,
  SigningKeys,
  VerifyingKeys,
} from "shared/auth/signing_keys.ts";
import { base64Url } from "shared/auth/token.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { createLog, silentLog } from "shared/log/log.ts";
import { insertAccount } from "../harness/fixtures.ts";
import { startGateway } from "../harness/gateway_app.ts";
import type { TestStores } from "../harness/stores.ts";
import { withStores } from "../harness/with_stores.ts";

const ISSUER = "hexmile";
const SECRETS = await deriveSecrets("the secret key of these tests only");
const DAY_MS = 86_400_000;

/** Both sides of the keys, on a clock that the test moves. */
class Keys {
  nowMs = 0;
  readonly signing: SigningKeys;
  readonly verifying: VerifyingKeys;

  constructor({ sql }: TestStores) {
    const now = () => this.nowMs;
    this.signing = new SigningKeys({ sql, secrets: SECRETS, log: silentLog, now });
    this.verifying = new VerifyingKeys({ sql, now });
  }
}

const SESSION_ID = uuidv7();
const PRINCIPAL: Principal = {
  accountId: uuidv7(),
  role: "courier",
  mode: "live",
  credential: { kind: "session", sessionId: SESSION_ID },
};

async function issue(keys: Keys, now = new Date()): Promise<string> {
  const { token } = await issueAccessToken(keys.signing, ISSUER, {
    principal: PRINCIPAL,
    sessionId: SESSION_ID,
    sessionExpiresAt: new Date(now.getTime() + DAY_MS),
    now,
  });
  return token;
}

async function verify(keys: Keys, token: string, now = new Date()) {
  return await verifyAccessToken(keys.verifying, ISSUER, token, now);
}

/** A token that is right but for what the test changes; signed with our own key. */
async function forged(
  { kid, key }: Signer,
  changes: {
    header?: Record<string, unknown>;
    claims?: Record<string, unknown>;
  },
): Promise<string> {
  const nowS = Math.floor(Date.now() / 1000);
  const claims = {
    iss: ISSUER,
    aud: "hexmile",
    sub: PRINCIPAL.accountId,
    sid: SESSION_ID,
    role: "admin",
    mode: "live",
    jti: uuidv7(),
    iat: nowS,
    exp: nowS + 200,
    ...changes.claims,
  };
  return await new SignJWT(claims)
    .setProtectedHeader({ alg: "EdDSA", typ: "at+jwt", kid, ...changes.header })
    .sign(key);
}

function encoded(value: unknown): string {
  return base64Url(new TextEncoder().encode(JSON.stringify(value)));
}

Deno.test("an access token speaks for its session for four minutes, and 30 s of leeway", async () => {
  await withStores(async (stores) => {
    const keys = new Keys(stores);
    const now = new Date();
    const token = await issue(keys, now);
    const found = await verify(keys, token, now);
    assert.deepEqual(found, {
      ...PRINCIPAL,
      credential: { kind: "access_token", sessionId: SESSION_ID },
    });
    const at = (seconds: number) => new Date(now.getTime() + seconds * 1000);
    assert.notEqual(await verify(keys, token, at(ACCESS_TOKEN_TTL_S + 25)), undefined);
    assert.equal(await verify(keys, token, at(ACCESS_TOKEN_TTL_S + 31)), undefined);
    assert.ok(ACCESS_TOKEN_TTL_S + 30 <= 300, "five minutes at most");
    assert.equal(await verify(keys, token, at(-60)), undefined, "from the future");
    const { alg, typ, kid } = decodeProtectedHeader(token);
    assert.deepEqual({ alg, typ }, { alg: "EdDSA", typ: "at+jwt" });
    assert.match(kid ?? "", /^[A-Za-z0-9_-]{43}$/);
  });
});

Deno.test("an access token ends with its session, when that ends sooner", async () => {
  await withStores(async (stores) => {
    const { signing } = new Keys(stores);
    const sessionExpiresAt = new Date(Date.now() + 60_000);
    const { expiresAt } = await issueAccessToken(signing, ISSUER, {
      principal: PRINCIPAL,
      sessionId: SESSION_ID,
      sessionExpiresAt,
    });
    assert.ok(expiresAt <= sessionExpiresAt);
  });
});

Deno.test("no token says how it is to be verified: every forged one is nobody's, and nothing is fetched", async () => {
  await withStores(async (stores) => {
    const keys = new Keys(stores);
    const signer = await keys.signing.current();
    const good = await forged(signer, {});
    assert.equal((await verify(keys, good))?.role, "admin", "the base of all others is right");
    const stranger = await generateKeyPair("EdDSA", { extractable: true });
    const jwk = await exportJWK(stranger.publicKey);
    const own = { ...signer, key: stranger.privateKey };
    const [head = "", body = "", signature = ""] = good.split(".");
    const published = await keys.verifying.published();
    const hmacKey = new TextEncoder().encode(JSON.stringify(published[0]));
    const hs256 = await new SignJWT({ sub: "x" }).setProtectedHeader({
      alg: "HS256",
      typ: "at+jwt",
      kid: signer.kid,
    }).setIssuedAt().setExpirationTime("2m").sign(hmacKey);
    const thumbprint = await calculateJwkThumbprint(jwk);
    const none = encoded({ alg: "none", typ: "at+jwt", kid: signer.kid });
    const nowS = Math.floor(Date.now() / 1000);
    const tokens: Record<string, string> = {
      "alg none": `${none}.${body}.`,
      "alg none with the signature": `${none}.${body}.${signature}`,
      "HS256 with the public key": hs256,
      "another key under our kid": await forged(own, {}),
      "an embedded key": await forged(own, { header: { jwk, kid: undefined } }),
      "an embedded key beside our kid": await forged(own, { header: { jwk } }),
      "jku": await forged(own, { header: { jku: "https://evil.example/jwks", kid: thumbprint } }),
      "x5u": await forged(own, { header: { x5u: "https://evil.example/x5u" } }),
      "an unknown kid": await forged(signer, { header: { kid: thumbprint } }),
      "no kid": await forged(signer, { header: { kid: undefined } }),
      "kid as a path": await forged(signer, { header: { kid: "../../x" } }),
      "kid as SQL": await forged(signer, { header: { kid: "' or '1'='1" } }),
      "typ JWT": await forged(signer, { header: { typ: "JWT" } }),
      "no typ": await forged(signer, { header: { typ: undefined } }),
      "another audience": await forged(signer, { claims: { aud: "other" } }),
      "no audience": await forged(signer, { claims: { aud: undefined } }),
      "another issuer": await forged(signer, { claims: { iss: "other" } }),
      "expired": await forged(signer, { claims: { iat: nowS - 400, exp: nowS - 200 } }),
      "no expiry": await forged(signer, { claims: { exp: undefined } }),
      "a life of a year": await forged(signer, {
        claims: { iat: nowS - 600, exp: nowS + 31_536_000 },
      }),
      "not yet": await forged(signer, { claims: { nbf: nowS + 120 } }),
      "issued in the future": await forged(signer, { claims: { iat: nowS + 120 } }),
      "no session": await forged(signer, { claims: { sid: undefined } }),
      "a role that is none": await forged(signer, { claims: { role: "root" } }),
      "a subject that is no id": await forged(signer, { claims: { sub: "1" } }),
      "a cut signature": good.slice(0, -2),
      "another body": `${head}.${
        encoded({ ...JSON.parse(atob(body)), sub: uuidv7() })
      }.${signature}`,
      "nothing": "..",
      "no base64": "%.%.%",
    };
    const realFetch = globalThis.fetch;
    const fetched: unknown[] = [];
    globalThis.fetch = (input) => {
      fetched.push(input);
      return Promise.reject(new Error("nothing may be fetched"));
    };
    try {
      for (const [what, token] of Object.entries(tokens)) {
        assert.equal(await verify(keys, token), undefined, what);
      }
    } finally {
      globalThis.fetch = realFetch;
    }
    assert.deepEqual(fetched, []);
  });
});

Deno.test("a new key is published before it signs, and the old one is accepted until its last token ends", async () => {
  await withStores(async (stores) => {
    const { sql } = stores;
    const keys = new Keys(stores);
    const first = await keys.signing.current();
    const oldToken = await issue(keys);
    assert.notEqual(await verify(keys, oldToken), undefined);
    await sql`update signing_keys set created_at = created_at - interval '31 days'`;
    keys.nowMs += 61_000;
    assert.equal((await keys.signing.current()).kid, first.kid, "the new one does not sign yet");
    const published = await keys.verifying.published();
    assert.equal(published.length, 2);
    const second = published.find(({ kid }) => kid !== first.kid)?.kid ?? "";
    const [times] = await sql<{ aheadS: number; afterS: number }[]>`
      select extract(epoch from n.signs_from - n.created_at)::float8 as ahead_s,
        extract(epoch from o.retires_at - n.signs_from)::float8 as after_s
      from signing_keys n, signing_keys o where n.kid = ${second} and o.kid = ${first.kid}`;
    assert.ok((times?.aheadS ?? 0) > JWKS_MAX_AGE_S, "longer than anybody keeps the set");
    assert.ok((times?.afterS ?? 0) >= ACCESS_TOKEN_TTL_S + 30 + 60, "longer than a token lives");
    keys.nowMs += 61_000;
    await keys.signing.current();
    assert.equal((await sql`select 1 from signing_keys`).length, 2, "no third while one waits");
    // The second one's time comes.
    await sql`update signing_keys set signs_from = clock_timestamp() where kid = ${second}`;
    keys.nowMs += 61_000;
    assert.equal((await keys.signing.current()).kid, second);
    assert.notEqual(await verify(keys, oldToken), undefined);
    assert.notEqual(await verify(keys, await issue(keys)), undefined);
    // And then the first one's is over.
    await sql`update signing_keys set retires_at = clock_timestamp() where kid = ${first.kid}`;
    keys.nowMs += 61_000;
    assert.equal(await verify(keys, oldToken), undefined);
    assert.deepEqual((await keys.verifying.published()).map(({ kid }) => kid), [second]);
  });
});

Deno.test("VerifyingKeys reads once for a key it does not know, and no more often than every 5 s", async () => {
  await withStores(async (stores) => {
    const keys = new Keys(stores);
    const { sql } = stores;
    let reads = 0;
    const counting = new Proxy(sql, {
      apply: (target, self, args) => {
        reads++;
        return Reflect.apply(target, self, args);
      },
    });
    const verifying = new VerifyingKeys({ sql: counting, now: () => keys.nowMs });
    const token = await issue(keys);
    const ask = (text: string) => verifyAccessToken(verifying, ISSUER, text);
    const answers = await Promise.all(Array.from({ length: 50 }, () => ask(token)));
    assert.equal(answers.filter((found) => found !== undefined).length, 50);
    assert.equal(reads, 1, "many at once make one");
    const unknown = await forged({ ...await keys.signing.current(), kid: "A".repeat(43) }, {});
    for (let time = 0; time < 50; time++) assert.equal(await ask(unknown), undefined);
    assert.equal(reads, 1);
    keys.nowMs += 5_001;
    for (let time = 0; time < 50; time++) assert.equal(await ask(unknown), undefined);
    assert.equal(reads, 2);
    // A key made by another process meanwhile is found by the one look that is allowed.
    await sql.begin((tx) => keys.signing.rotate(tx, { compromised: true }));
    const fresh = await issue(keys);
    keys.nowMs += 5_001;
    assert.notEqual(await ask(fresh), undefined);
    assert.equal(reads, 3);
  });
});

Deno.test("twenty processes that start at once make one key", async () => {
  await withStores(async (stores) => {
    const made = await Promise.all(
      Array.from({ length: 20 }, () => new Keys(stores).signing.current()),
    );
    assert.equal(new Set(made.map(({ kid }) => kid)).size, 1);
  });
});

Deno.test("the private part is stored encrypted; under another SECRET_KEY a new key is made, and said", async () => {
  await withStores(async (stores) => {
    const { sql } = stores;
    const first = await new Keys(stores).signing.current();
    const stored = JSON.stringify(
      await sql`
      select public_jwk::text, encode(private_key, 'escape') as private_key from signing_keys`,
    );
    assert.doesNotMatch(stored, /"d"|\\"d\\"/);
    const lines: string[] = [];
    const log = createLog({
      service: "t",
      level: "info",
      format: "json",
      write: (line) => void lines.push(line),
    });
    const secrets = await deriveSecrets("another secret key altogether, as it seems");
    const second = await new SigningKeys({ sql, secrets, log }).current();
    assert.notEqual(second.kid, first.kid);
    assert.match(lines.join(), /SECRET_KEY is another/);
  });
});

Deno.test("over HTTP: a session gets a token, which is good for everything but sessions and keys", async () => {
  await withStores(async (stores) => {
    const gateway = startGateway(stores);
    try {
      const { accountId, token } = await gateway.signIn("customer");
      const answer = await gateway.call("POST", "/api/v1/auth/access-tokens", { token });
      assert.equal(answer.status, 201, answer.text);
      const access = { token: String(answer.json?.["accessToken"]) };
      // Before revocations were read nobody can say that the session stands.
      const early = await gateway.call("GET", "/api/v1/me", { ...access, allowed: 503 });
      assert.deepEqual([early.status, early.headers.get("retry-after")], [503, "1"]);
      const { revocations } = gateway.deps.credentials;
      await revocations.poll();
      const me = await gateway.call("GET", "/api/v1/me", access);
      assert.equal(me.json?.["id"], accountId);
      for (const path of ["access-tokens", "refresh", "logout"]) {
        const refused = await gateway.call("POST", `/api/v1/auth/${path}`, access);
        assert.equal(refused.json?.["code"], "auth.session_required", path);
      }
      const jwks = await gateway.call("GET", "/.well-known/jwks.json");
      assert.equal(jwks.headers.get("cache-control"), `public, max-age=${JWKS_MAX_AGE_S}`);
      const [key] = JSON.parse(jwks.text).keys;
      assert.deepEqual(Object.keys(key).sort(), ["alg", "crv", "kid", "kty", "use", "x"]);
      assert.equal(key.kid, decodeProtectedHeader(access.token).kid);
      assert.equal(gateway.logLines.join("\n").includes(access.token), false);
      await gateway.call("POST", "/api/v1/auth/logout", { token });
      await revocations.poll();
      assert.equal((await gateway.call("GET", "/api/v1/me", access)).status, 401);
      const late = await gateway.call("POST", "/api/v1/auth/access-tokens", { token });
      assert.equal(late.status, 401);
    } finally {
      gateway.close();
    }
  });
});

Deno.test("a session that was ended behind the cache's back gets no access token", async () => {
  await withStores(async (stores) => {
    const gateway = startGateway(stores);
    try {
      const accountId = await insertAccount(stores.sql, "customer");
      const { token } = await createSession(stores.sql, accountId);
      assert.equal((await gateway.call("GET", "/api/v1/me", { token })).status, 200);
      await stores.sql`delete from sessions`;
      const answer = await gateway.call("POST", "/api/v1/auth/access-tokens", { token });
      assert.equal(answer.status, 401);
    } finally {
      gateway.close();
    }
  });
});

Deno.test("an admin makes the next key: in time, or at once when the present one is known to others", async () => {
  await withStores(async (stores) => {
    const gateway = startGateway(stores);
    try {
      const { token } = await gateway.signIn("admin");
      const rotate = async (compromised: boolean) => {
        const path = "/api/v1/admin/signing-keys";
        const answer = await gateway.call("POST", path, { token, body: { compromised } });
        assert.equal(answer.status, 201, answer.text);
        return String(answer.json?.["kid"]);
      };
      const first = await gateway.deps.signingKeys.current();
      await rotate(false);
      assert.equal((await gateway.deps.signingKeys.current()).kid, first.kid);
      const urgent = await rotate(true);
      assert.equal((await gateway.deps.signingKeys.current()).kid, urgent);
      const left = await stores.sql<{ kid: string }[]>`
        select kid from signing_keys where retires_at is null or retires_at > clock_timestamp()`;
      assert.deepEqual(left.map(({ kid }) => kid), [urgent]);
    } finally {
      gateway.close();
    }
  });
});
