/**
 * What stands before two instances of a service in a deployment: sends each new connection to an
 * instance that says it is ready, in turn, and to the next one where a connection is refused.
 *
 * Contract: readiness is asked every `LOOK_MS`; between two looks an instance may have begun to
 * drain, so a refused connection is no fault. Connections stay where they are until they end.
 */
import { pause } from "shared/clock/timeout.ts";
import { isHttpReady } from "../../deploy/local/http_ready.ts";
import { FaultProxy, type Target } from "./fault_proxy.ts";

const LOOK_MS = 100;

interface Instance {
  readonly url: string;
  readonly target: Target;
  isReady: boolean;
}

/** One address for several instances. */
export class Balancer implements AsyncDisposable {
  readonly #instances: readonly Instance[];
  readonly #wire: FaultProxy;
  readonly #stop = new AbortController();
  readonly #looking: Promise<unknown>;
  #turn = 0;

  /** @param urls of the instances, as `http://127.0.0.1:8080`. */
  constructor(urls: readonly string[]) {
    this.#instances = urls.map((url) => {
      const { hostname, port } = new URL(url);
      return { url, target: { hostname, port: Number(port) }, isReady: false };
    });
    this.#wire = new FaultProxy(() => this.#next());
    this.#looking = Promise.all(this.#instances.map((instance) => this.#look(instance)));
  }

  /** Of the address that clients use. */
  get port(): number {
    return this.#wire.port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#looking;
    await this.#wire[Symbol.asyncDispose]();
  }

  /** The ready ones, each first in its turn. */
  #next(): Target[] {
    const ready = this.#instances.filter((instance) => instance.isReady);
    const first = this.#turn++ % Math.max(1, ready.length);
    return [...ready.slice(first), ...ready.slice(0, first)].map(({ target }) => target);
  }

  async #look(instance: Instance): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        instance.isReady = await isHttpReady(`${instance.url}/health/ready`);
      } catch {
        // It does not answer at all.
        instance.isReady = false;
      }
      await pause(LOOK_MS, signal);
    }
  }
}
