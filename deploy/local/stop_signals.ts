/**
 * The wish to stop, from the terminal (Ctrl-C), a service manager (SIGTERM) or a closed window
 * (SIGHUP): the first one asks for an orderly stop, a later one for haste.
 *
 * One Ctrl-C can arrive twice within a millisecond, from the terminal and from `deno task`, which
 * forwards it (measured); so a signal counts as a second wish only after a while.
 */

/** Signals closer together than this are one wish. */
export const SAME_WISH_MS = 700;

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Made by `listenForStop`. */
export interface StopWishes {
  /** Aborted at the first wish; its reason is the signal's name. */
  readonly stop: AbortSignal;
  /** Aborted at a later wish. */
  readonly haste: AbortSignal;
  /** Gives the signals back to their default effect. */
  dispose(): void;
}

/**
 * Listens from now on, and must be called before anything is started: the default effect of a
 * signal would end this process and leave the detached servers behind.
 */
export function listenForStop(): StopWishes {
  const stop = new AbortController();
  const haste = new AbortController();
  const counter = new WishCounter(stop, haste);
  const listeners = SIGNALS.map((signal) => ({
    signal,
    listener: () => counter.note(signal, performance.now()),
  }));
  for (const { signal, listener } of listeners) Deno.addSignalListener(signal, listener);
  return {
    stop: stop.signal,
    haste: haste.signal,
    dispose: () => {
      for (const { signal, listener } of listeners) Deno.removeSignalListener(signal, listener);
    },
  };
}

/** Tells a first wish from a later one by their times. */
export class WishCounter {
  #stop: AbortController;
  #haste: AbortController;
  #firstMs = 0;

  constructor(stop: AbortController, haste: AbortController) {
    this.#stop = stop;
    this.#haste = haste;
  }

  /** Takes a signal that arrived at `nowMs` of a clock that never goes back. */
  note(signal: string, nowMs: number): void {
    if (!this.#stop.signal.aborted) {
      this.#firstMs = nowMs;
      this.#stop.abort(signal);
    } else if (nowMs - this.#firstMs >= SAME_WISH_MS) {
      this.#haste.abort(signal);
    }
  }
}
