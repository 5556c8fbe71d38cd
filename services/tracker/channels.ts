/**
 * One subscribing connection per process, whatever the number of sockets. A channel is subscribed
 * while somebody here listens to it.
 */
import { withTimeout } from "shared/clock/timeout.ts";
import type { Log } from "shared/log/log.ts";
import type { Redis } from "shared/redis/connect.ts";

const PING_MS = 5_000;
const PING_TIMEOUT_MS = 3_000;

type Listener = (message: string) => void;

/** Fans messages of Redis channels out to listeners of this process. */
export class Channels {
  readonly #redis: Redis;
  readonly #log: Log;
  readonly #listeners = new Map<string, Set<Listener>>();

  /** @param redis a connection of its own; it can do nothing else while it is subscribed. */
  constructor(redis: Redis, log: Log) {
    this.#redis = redis;
    this.#log = log;
    redis.on("message", (channel: string, message: string) => this.#deliver(channel, message));
    // While the connection was away messages were lost: every listener must start anew.
    redis.on("close", () => this.#dropAll());
  }

  readonly #lost = new Set<() => void>();
  #pings: ReturnType<typeof setInterval> | undefined;

  /**
   * Listens to a channel; resolves when Redis has confirmed, so that nothing published later is
   * missed.
   *
   * @param onLost called once when messages may have been missed; the listener is removed then.
   * @returns stops listening.
   */
  async listen(channel: string, listener: Listener, onLost: () => void): Promise<() => void> {
    const existing = this.#listeners.get(channel);
    const listeners = existing ?? new Set();
    listeners.add(listener);
    this.#lost.add(onLost);
    const stop = () => this.#stop(channel, listener, onLost);
    if (existing === undefined) this.#listeners.set(channel, listeners);
    this.#pings ??= setInterval(() => this.#ping(), PING_MS);
    try {
      // Also for a channel that is known: its first subscription may still be under way, and
      // Redis answers in order.
      await this.#redis.subscribe(channel);
    } catch (error) {
      stop();
      throw error;
    }
    return stop;
  }

  /** A subscription is silent when nothing happens and when its socket is dead: a ping tells. */
  #ping(): void {
    withTimeout("ping", PING_TIMEOUT_MS, this.#redis.ping()).catch((error) => {
      this.#log.warn("subscription is dead; viewers are told to come back", { error });
      this.#redis.disconnect(true);
      this.#dropAll();
    });
  }

  #rest(): void {
    if (this.#listeners.size > 0) return;
    clearInterval(this.#pings);
    this.#pings = undefined;
  }

  #stop(channel: string, listener: Listener, onLost: () => void): void {
    this.#lost.delete(onLost);
    const listeners = this.#listeners.get(channel);
    if (listeners === undefined) return;
    listeners.delete(listener);
    if (listeners.size > 0) return;
    this.#listeners.delete(channel);
    this.#rest();
    this.#redis.unsubscribe(channel).catch((error) =>
      this.#log.debug("unsubscribe failed", { error })
    );
  }

  #deliver(channel: string, message: string): void {
    for (const listener of this.#listeners.get(channel) ?? []) {
      try {
        listener(message);
      } catch (error) {
        this.#log.error("listener failed", { error });
      }
    }
  }

  #dropAll(): void {
    const lost = [...this.#lost];
    this.#lost.clear();
    this.#listeners.clear();
    this.#rest();
    for (const onLost of lost) onLost();
  }
}
