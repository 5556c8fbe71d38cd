import type { Argon2Reply, Argon2Request } from "./argon2_worker.ts";

/** Waiting hashes at most: about 3 s of work for one worker; beyond it a flood is told to go away. */
const MAX_QUEUE = 32;

/** Thrown when too many passwords wait to be hashed. */
export class HasherBusyError extends Error {
  override readonly name = "HasherBusyError";
}

interface Waiting {
  resolve(result: string | boolean): void;
  reject(error: Error): void;
}

/** Hashes and verifies passwords in one worker with a bounded queue. */
export class PasswordHasher {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;

  constructor() {
    this.#worker = new Worker(new URL("./argon2_worker.ts", import.meta.url), { type: "module" });
    this.#worker.onmessage = (message: MessageEvent<Argon2Reply>) => this.#settle(message.data);
    this.#worker.onerror = (event) => {
      // Without preventDefault an error in the worker ends this process.
      event.preventDefault();
      for (const { reject } of this.#waiting.values()) reject(new Error(event.message));
      this.#waiting.clear();
    };
  }

  /** @throws HasherBusyError when too many wait. */
  async hash(password: string): Promise<string> {
    return await this.#ask({ kind: "hash", password }) as string;
  }

  /** @throws HasherBusyError when too many wait. */
  async verify(password: string, hash: string): Promise<boolean> {
    return await this.#ask({ kind: "verify", password, hash }) as boolean;
  }

  close(): void {
    this.#worker.terminate();
    for (const { reject } of this.#waiting.values()) reject(new Error("hasher closed"));
    this.#waiting.clear();
  }

  #ask(
    request: { kind: "hash"; password: string } | {
      kind: "verify";
      password: string;
      hash: string;
    },
  ): Promise<string | boolean> {
    if (this.#waiting.size >= MAX_QUEUE) {
      return Promise.reject(new HasherBusyError(`queue must be < ${MAX_QUEUE}`));
    }
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ ...request, id } satisfies Argon2Request);
    });
  }

  #settle(reply: Argon2Reply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (reply.ok) waiting?.resolve(reply.result);
    else waiting?.reject(new Error(reply.message));
  }
}
