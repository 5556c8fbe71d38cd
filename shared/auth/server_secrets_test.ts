import assert from "node:assert/strict";
import { deriveSecrets, seal, trackingToken, unseal } from "./server_secrets.ts";

const KEY = "a secret key that only tests know";
const ORDER = "01999999-0000-7000-8000-000000000001";

Deno.test("trackingToken() is the same for an order and its key, and for no other", async () => {
  const secrets = await deriveSecrets(KEY);
  const token = trackingToken(secrets, ORDER);
  assert.match(token, /^[A-Za-z0-9_-]{43}$/);
  assert.equal(trackingToken(await deriveSecrets(KEY), ORDER), token);
  assert.notEqual(trackingToken(await deriveSecrets(`${KEY}!`), ORDER), token);
  assert.notEqual(trackingToken(secrets, ORDER.replace(/1$/, "2")), token);
  // As Web Crypto derives and signs it: links that were given out stay valid.
  assert.equal(token, "nW6MYKoU_0m55KvjaN8qKv2XelON6ukGc78NZpsUSBY");
});

Deno.test("unseal() opens what seal() made, and nothing that was altered or is another's", async () => {
  const { signingKeys } = await deriveSecrets(KEY);
  const plain = new TextEncoder().encode("private");
  const sealed = await seal(signingKeys, plain, "kid-1");
  assert.deepEqual(await unseal(signingKeys, sealed, "kid-1"), plain);
  assert.equal(new TextDecoder().decode(sealed).includes("private"), false);
  assert.notDeepEqual(await seal(signingKeys, plain, "kid-1"), sealed, "a nonce of its own");
  assert.equal(await unseal(signingKeys, sealed, "kid-2"), undefined);
  const other = await deriveSecrets(`${KEY}!`);
  assert.equal(await unseal(other.signingKeys, sealed, "kid-1"), undefined);
  for (const at of [0, 12, sealed.length - 1]) {
    const altered = sealed.slice();
    altered[at] = (altered[at] ?? 0) ^ 1;
    assert.equal(await unseal(signingKeys, altered, "kid-1"), undefined, `byte ${at}`);
  }
  assert.equal(await unseal(signingKeys, new Uint8Array(), "kid-1"), undefined);
});
