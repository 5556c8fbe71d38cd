/** Where frames of one connection go: a WebSocket or an event stream. */
import type { Log } from "shared/log/log.ts";
import type { TrackerMetrics } from "./metrics.ts";

/** A client that reads slower than this is told to come back (it can resume). */
const MAX_BUFFERED_BYTES = 1024 * 1024;

/**
 * Close codes: 1000 done, 1011 our fault, 1012 come back, 1013 too slow (RFC 6455, IANA); 4401 as
 * HTTP 401, the credential has ended.
 */
export type CloseCode = 1000 | 1011 | 1012 | 1013 | 4401;

export interface Sink {
  send(frame: string): void;
  close(code: CloseCode, reason: string): void;
}

interface SinkOptions {
  readonly log: Log;
  readonly metrics: TrackerMetrics;
  readonly kind: "track" | "courier_channel";
  /** Starts when the connection is open. Its failure closes the connection. */
  onOpen(sink: Sink): Promise<void>;
  onClose(): void;
}

/** Pings that often keep proxies from cutting an idle socket, and find dead ones. */
const IDLE_TIMEOUT_S = 25;

/** Upgrades a request to a WebSocket. Every callback is guarded: a throw would end the process. */
export function openWebSocket(request: Request, options: SinkOptions): Response {
  const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: IDLE_TIMEOUT_S });
  const { metrics, kind, log } = options;
  let isOpen = false;
  const sink: Sink = {
    send: (frame) => {
      if (socket.readyState !== WebSocket.OPEN) return;
      if (socket.bufferedAmount > MAX_BUFFERED_BYTES) {
        metrics.slowClosed.inc();
        socket.close(1013, "too slow");
        return;
      }
      socket.send(frame);
    },
    close: (code, reason) => {
      if (socket.readyState === WebSocket.OPEN) socket.close(code, reason);
    },
  };
  socket.onopen = () => {
    isOpen = true;
    metrics.connections.inc({ kind });
    startGuarded(options, sink);
  };
  socket.onclose = () => {
    if (isOpen) metrics.connections.dec({ kind });
    isOpen = false;
    options.onClose();
  };
  socket.onerror = (event) => log.debug("web socket error", { kind, reason: describe(event) });
  // Clients have nothing to say on these sockets; whatever they send is ignored.
  socket.onmessage = () => {};
  return response;
}

function describe(event: Event): string {
  return event instanceof ErrorEvent ? event.message : event.type;
}

/** Answers a request with a server-sent event stream (WHATWG HTML, "Server-sent events"). */
export function openEventStream(options: SinkOptions): Response {
  const { metrics, kind } = options;
  const encoder = new TextEncoder();
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  let isOpen = true;
  const end = () => {
    if (!isOpen) return;
    isOpen = false;
    clearInterval(heartbeat);
    metrics.connections.dec({ kind });
    options.onClose();
  };
  const write = (text: string) => {
    if (!isOpen || controller === undefined) return;
    if ((controller.desiredSize ?? 0) < -MAX_BUFFERED_BYTES) {
      metrics.slowClosed.inc();
      controller.close();
      end();
      return;
    }
    controller.enqueue(encoder.encode(text));
  };
  const sink: Sink = {
    send: (frame) => write(eventOf(frame)),
    close: () => {
      if (!isOpen) return;
      controller?.close();
      end();
    },
  };
  // A comment line keeps proxies from cutting an idle stream.
  const heartbeat = setInterval(() => write(": keep-alive\n\n"), IDLE_TIMEOUT_S * 1000);
  const body = new ReadableStream<Uint8Array>({
    start: (started) => {
      controller = started;
      metrics.connections.inc({ kind });
      startGuarded(options, sink);
    },
    cancel: end,
  }, new ByteLengthQueuingStrategy({ highWaterMark: 64 * 1024 }));
  return new Response(body, {
    headers: {
      "content-type": "text/event-stream",
      "cache-control": "private, no-store",
      "x-accel-buffering": "no",
    },
  });
}

/** A frame as an event: its place in the track is the event id, its type the event name. */
function eventOf(frame: string): string {
  const { type, epoch, seq } = JSON.parse(frame) as { type: string; epoch?: string; seq?: number };
  const id = epoch === undefined ? "" : `id: ${epoch}:${seq}\n`;
  return `${id}event: ${type}\ndata: ${frame}\n\n`;
}

function startGuarded(options: SinkOptions, sink: Sink): void {
  options.onOpen(sink).catch((error) => {
    options.log.warn("live connection failed", { kind: options.kind, error });
    sink.close(1011, "try again");
  });
}
