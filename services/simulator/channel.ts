/**
 * One connection of the courier channel.
 *
 * Contract: resolves when the connection has ended, whoever ended it; never rejects. Callbacks are
 * guarded: a frame that cannot be read, or whose handler throws, is reported and passed over, and
 * the connection goes on. When the signal aborts it resolves at once, without waiting for a peer
 * that may no longer answer.
 */

/** A server that accepts and then says nothing must not hold the courier back from polling. */
const OPEN_TIMEOUT_MS = 10_000;
/** Longer frames are not read: no snapshot of one courier's offers comes near it. */
const MAX_FRAME_CHARACTERS = 262_144;

export interface ChannelOptions {
  /** Ends the connection. */
  readonly signal: AbortSignal;
  readonly onOpen: () => void;
  readonly onFrame: (text: string) => void;
  /** What went wrong with one frame. */
  readonly onBadFrame: (error: unknown) => void;
}

/** Opens the channel at a one-use URL and stays until it ends. */
export function runChannel(url: string, options: ChannelOptions): Promise<void> {
  const { signal, onOpen, onFrame, onBadFrame } = options;
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const socket = new WebSocket(url);
    let ended = false;
    const end = () => {
      if (ended) return;
      ended = true;
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      if (socket.readyState <= WebSocket.OPEN) socket.close();
      resolve();
    };
    const timer = setTimeout(end, OPEN_TIMEOUT_MS);
    signal.addEventListener("abort", end, { once: true });
    const guarded = (work: () => void) => {
      if (ended) return;
      try {
        work();
      } catch (error) {
        onBadFrame(error);
      }
    };
    socket.onopen = () => {
      clearTimeout(timer);
      guarded(onOpen);
    };
    socket.onmessage = ({ data }) =>
      guarded(() => {
        if (typeof data !== "string" || data.length > MAX_FRAME_CHARACTERS) {
          throw new RangeError(
            `Cannot read a frame: must be text of at most ${MAX_FRAME_CHARACTERS}`,
          );
        }
        onFrame(data);
      });
    socket.onerror = end;
    socket.onclose = end;
  });
}
