/**
 * Requests as bytes, made before they are needed: the load shares two cores with what it measures,
 * and writing a fix costs as much as reading one.
 */
import { type LoadSettings, MIDDLE, type Sender } from "./settings.ts";

/** Batches bring what was recorded before the run, so that none is from the future. */
const BEFORE_MS = 600_000;
/** Points of one phone are this far apart. */
const STEP_MS = 1_000;
const TIME_CHARACTERS = "2026-11-21T10:00:00.000Z".length;
/** What follows the time in the body of a single fix: `"}`. */
const AFTER_TIME = 2;
const LAT = '"lat":';
/** Of the latitude, up to the decimals that change: `57.6000`. */
const LAT_CHARACTERS = 7;
const ZERO = 0x30;

const encoder = new TextEncoder();

/** A single fix, of which the time and the last decimals of the latitude are written anew. */
interface Single {
  readonly bytes: Uint8Array;
  readonly timeAt: number;
  readonly latAt: number;
}

/** What phones send, one request at a time for each. */
export class Requests {
  readonly #settings: LoadSettings;
  readonly #senders: readonly Sender[];
  readonly #singles: (Single | undefined)[];
  /** When each phone's next point was recorded: its batches follow on one another. */
  readonly #nextMs: Float64Array;
  readonly #time = new Uint8Array(TIME_CHARACTERS);
  #timeMs = NaN;
  #sent = 0;

  constructor(settings: LoadSettings, senders: readonly Sender[]) {
    this.#settings = settings;
    this.#senders = senders;
    this.#singles = new Array<Single | undefined>(senders.length);
    this.#nextMs = new Float64Array(senders.length).fill(Date.now() - BEFORE_MS);
  }

  /** One fix of a phone, recorded now. Its bytes are used again for the phone's next one. */
  single(sender: number): Uint8Array {
    const single = this.#singles[sender] ??= this.#template(sender);
    const { bytes, timeAt, latAt } = single;
    bytes.set(this.#now(), timeAt);
    // Some metres on and back.
    const step = this.#sent++ % 100;
    bytes[latAt] = ZERO + Math.floor(step / 10);
    bytes[latAt + 1] = ZERO + step % 10;
    return bytes;
  }

  /** The phone's next points in one request. */
  batch(sender: number, count: number): Uint8Array {
    const firstMs = this.#nextMs[sender] ?? 0;
    this.#nextMs[sender] = firstMs + count * STEP_MS;
    const fixes = Array.from(
      { length: count },
      (_, at) => this.#fix(sender, firstMs + at * STEP_MS),
    );
    return encoder.encode(this.#request(sender, `{"positions":[${fixes.join()}]}`));
  }

  #template(sender: number): Single {
    const text = this.#request(sender, this.#fix(sender, Date.now()));
    const latAt = text.lastIndexOf(LAT) + LAT.length + LAT_CHARACTERS;
    const timeAt = text.length - AFTER_TIME - TIME_CHARACTERS;
    return { bytes: encoder.encode(text), timeAt, latAt };
  }

  #now(): Uint8Array {
    const nowMs = Date.now();
    if (nowMs !== this.#timeMs) encoder.encodeInto(new Date(nowMs).toISOString(), this.#time);
    this.#timeMs = nowMs;
    return this.#time;
  }

  #request(sender: number, body: string): string {
    const { path, port } = this.#settings;
    return `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n` +
      `content-type: application/json\r\ncontent-length: ${body.length}\r\n` +
      `authorization: Bearer ${this.#senders[sender]?.token}\r\n\r\n${body}`;
  }

  /** A point of a ride: a metre on for each second of it. */
  #fix(sender: number, atMs: number): string {
    const lat = MIDDLE.lat - 0.1 + (sender % 1_000) * 2e-4 + (atMs % 1e6) * 1e-8;
    const lon = MIDDLE.lon + Math.floor(sender / 1_000) * 2e-3;
    // The yardstick knows no sessions: who sends stands in the body.
    const driver = this.#settings.tellsDriver ? `"driverId":"${this.#senders[sender]?.id}",` : "";
    return `{${driver}"lat":${lat.toFixed(6)},"lon":${lon.toFixed(6)},"accuracyM":6.5,` +
      `"headingDeg":12.5,"speedMps":8.25,"recordedAt":"${new Date(atMs).toISOString()}"}`;
  }
}
