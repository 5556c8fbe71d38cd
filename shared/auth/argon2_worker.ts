/// <reference lib="deno.worker" />
/**
 * Argon2id off the main thread: one hash is 50-100 ms of CPU. From WebAssembly, so that services
 * keep `--deny-ffi`. Parameters: OWASP Password Storage Cheat Sheet (m = 19 MiB, t = 2, p = 1).
 */
import { argon2id, argon2Verify } from "hash-wasm";

export type Argon2Request =
  | { readonly id: number; readonly kind: "hash"; readonly password: string }
  | {
    readonly id: number;
    readonly kind: "verify";
    readonly password: string;
    readonly hash: string;
  };

export type Argon2Reply =
  | { readonly id: number; readonly ok: true; readonly result: string | boolean }
  | { readonly id: number; readonly ok: false; readonly message: string };

const MEMORY_KIB = 19_456;
const ITERATIONS = 2;
const SALT_BYTES = 16;
const HASH_BYTES = 32;

self.onmessage = async (message: MessageEvent<Argon2Request>) => {
  const request = message.data;
  const { id } = request;
  try {
    const result = request.kind === "hash"
      ? await hash(request.password)
      : await argon2Verify({ password: request.password, hash: request.hash });
    self.postMessage({ id, ok: true, result } satisfies Argon2Reply);
  } catch (error) {
    // A throwing worker would end its parent.
    self.postMessage({ id, ok: false, message: String(error) } satisfies Argon2Reply);
  }
};

async function hash(password: string): Promise<string> {
  return await argon2id({
    password,
    salt: crypto.getRandomValues(new Uint8Array(SALT_BYTES)),
    parallelism: 1,
    iterations: ITERATIONS,
    memorySize: MEMORY_KIB,
    hashLength: HASH_BYTES,
    outputType: "encoded",
  });
}
