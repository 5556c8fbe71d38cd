/**
 * A customer's client: places an order over HTTP and follows its track over WebSocket to the end,
 * resuming where it stopped when the connection breaks.
 */
import { pause } from "shared/clock/timeout.ts";

/** A frame of a track, with what this client reads of it. */
export interface TrackFrame {
  readonly type: string;
  readonly epoch: string;
  readonly seq: number;
  readonly at?: string;
  readonly status?: string;
  readonly courier?: { readonly name: string; readonly vehicle: string } | null;
  readonly position?:
    | { readonly lat: number; readonly lon: number; readonly recordedAt: string }
    | null;
  readonly order?: {
    readonly status: string;
    readonly stateTimes: Readonly<Record<string, string>>;
    readonly courier: { readonly name: string; readonly vehicle: string } | null;
  };
}

export interface PlacedOrder {
  readonly id: string;
  readonly distanceM: number;
  readonly placedAt: string;
  readonly pickup: { readonly lat: number; readonly lon: number };
  readonly dropoff: { readonly lat: number; readonly lon: number };
  readonly tracking: { readonly url: string; readonly token: string };
}

const TERMINAL = new Set(["delivered", "cancelled", "returned", "failed", "expired"]);
const RECONNECT_MS = 500;

/** Follows one order; `onFrame` sees every frame once, in order. */
export async function followOrder(
  apiUrl: string,
  order: PlacedOrder,
  onFrame: (frame: TrackFrame) => void,
  signal: AbortSignal,
): Promise<string> {
  let since: string | undefined;
  let ended: string | undefined;
  const note = (frame: TrackFrame) => {
    since = `${frame.epoch}:${frame.seq}`;
    const status = frame.status ?? frame.order?.status;
    if (status !== undefined && TERMINAL.has(status)) ended = status;
    onFrame(frame);
  };
  while (ended === undefined) {
    if (signal.aborted) throw new Error("the order did not end in time");
    try {
      const url = await openTrackUrl(apiUrl, order);
      await readFrames(since === undefined ? url : `${url}&since=${since}`, note, signal);
    } catch (error) {
      // The services are killed on purpose here; the deadline of `signal` bounds the patience.
      if (signal.aborted) throw error;
    }
    if (ended === undefined) await pause(RECONNECT_MS, signal);
  }
  return ended;
}

async function openTrackUrl(apiUrl: string, order: PlacedOrder): Promise<string> {
  const response = await fetch(`${apiUrl}/api/v1/orders/${order.id}/track-tickets`, {
    method: "POST",
    headers: { "x-tracking-token": order.tracking.token },
  });
  if (!response.ok) throw new Error(`no ticket: ${response.status} ${await response.text()}`);
  const { webSocketUrl } = await response.json() as { webSocketUrl: string };
  return webSocketUrl;
}

/** Resolves when the socket has closed. */
function readFrames(
  url: string,
  onFrame: (frame: TrackFrame) => void,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url);
    const abort = () => socket.close();
    signal.addEventListener("abort", abort, { once: true });
    socket.onmessage = (message) => {
      try {
        onFrame(JSON.parse(String(message.data)) as TrackFrame);
      } catch (error) {
        reject(error);
        socket.close();
      }
    };
    // A close always follows an error.
    socket.onerror = () => {};
    socket.onclose = () => {
      signal.removeEventListener("abort", abort);
      resolve();
    };
  });
}
