/**
 * Thirty thousand phones in one process, each with its own session, and most with a WebSocket of
 * their own; an open loop: a fix is recorded when it is due, whatever became of the one before.
 *
 * Contract: a phone without a connection keeps its fixes and sends them as a batch when it is back,
 * as after a tunnel. The ledger holds what was acknowledged and nothing else. Commands come by
 * standard input, one answer each.
 */
import { pause } from "shared/clock/timeout.ts";
import { answer, readSettings, toldLines } from "../harness/child.ts";
import { HttpConnection, type RawAnswer } from "../harness/http_connection.ts";
import type { Sender } from "../ingest/settings.ts";
import { Histogram } from "./histogram.ts";
import { SlotBits } from "./ledger.ts";
import { PhoneSocket } from "./phone_socket.ts";
import { Posting } from "./posting.ts";
import { LEDGER_FILES, type PhonesFigures, type PhonesSettings } from "./settings.ts";
import { BATCH_SLOTS, Timetable } from "./timetable.ts";

const TICK_MS = 4;
/** Phones that come back at once after a restart of the server; each waits a random while. */
const OPENING_AT_ONCE = 64;
const REOPEN_WITHIN_MS = 8_000;
/** Frames of a batch have numbers from here on: a phone that repeats one fix repeats its number. */
const BATCH_SEQ = 1_000_000;
const MAX_BATCH_SLOTS = 100;
/** A phone that has so many frames unanswered keeps what it has; who posts waits for each answer. */
const MAX_FRAMES = 8;
const NONE = -1;
const KEPT: ReadonlySet<string> = new Set(["accepted", "late", "low_accuracy", "jump"]);
const LOCATION = "/api/v1/courier/location";
const LOCATIONS = "/api/v1/courier/locations";

class Phones {
  readonly #settings: PhonesSettings;
  readonly #senders: readonly Sender[];
  readonly #sockets: (PhoneSocket | undefined)[];
  readonly #posting: Posting;
  readonly #acknowledged: SlotBits;
  readonly #newestMs: Float64Array;
  /** In a tunnel or silent before this slot. */
  readonly #awayUntil: Int32Array;
  /** The first slot of what was not sent yet. */
  readonly #keptFrom: Int32Array;
  /** A fix that goes after the next one. */
  readonly #held: Int32Array;
  readonly #lags = new Histogram();
  readonly #acks = new Histogram();
  #timetable: Timetable;
  #outcomes: Record<string, number> = {};
  #fixes = 0;
  #degraded = 0;
  /** Frames and posts of a phone without an answer. */
  readonly #underWay: Uint8Array;
  #open = 0;
  #opening = 0;
  #next = 0;
  #isHushed = (_phone: number) => false;

  constructor(settings: PhonesSettings, senders: readonly Sender[]) {
    const { port, maxSlots, rampSlots, seed } = settings;
    const count = senders.length;
    this.#settings = settings;
    this.#senders = senders;
    this.#sockets = new Array<PhoneSocket | undefined>(count);
    this.#posting = new Posting(() => HttpConnection.open(port));
    this.#acknowledged = new SlotBits(count, maxSlots);
    this.#newestMs = new Float64Array(count);
    this.#awayUntil = new Int32Array(count).map((_, phone) => phone % rampSlots);
    this.#keptFrom = new Int32Array(count).fill(NONE);
    this.#held = new Int32Array(count).fill(NONE);
    this.#underWay = new Uint8Array(count);
    this.#timetable = new Timetable(count, 0, seed);
  }

  /** Opens every socket. */
  async connect(): Promise<void> {
    let next = 0;
    await Promise.all(Array.from({ length: OPENING_AT_ONCE }, async () => {
      while (next < this.#settings.sockets) await this.#openSocket(next++);
    }));
  }

  async #openSocket(phone: number): Promise<boolean> {
    try {
      this.#sockets[phone] = await PhoneSocket.open(
        this.#settings.port,
        this.#senders[phone]?.token ?? "",
        {
          onText: (text) => this.#hear(phone, text),
          onEnd: () => this.#lose(phone),
        },
      );
      this.#open++;
      return true;
    } catch {
      this.#count("not connected");
      return false;
    }
  }

  /** What was not acknowledged is sent again when the phone is back. */
  #lose(phone: number): void {
    this.#open--;
    this.#sockets[phone] = undefined;
    const slot = this.#timetable.slotOf(Date.now());
    for (let back = 2; back >= 0 && (this.#keptFrom[phone] ?? NONE) === NONE; back--) {
      const earlier = slot - back;
      if (earlier >= 0 && !this.#acknowledged.has(phone, earlier)) this.#keptFrom[phone] = earlier;
    }
    this.#underWay[phone] = 0;
    void this.#reopen(phone);
  }

  async #reopen(phone: number): Promise<void> {
    while (true) {
      await pause(Math.random() * REOPEN_WITHIN_MS);
      if (this.#opening >= OPENING_AT_ONCE) continue;
      this.#opening++;
      const isOpen = await this.#openSocket(phone);
      this.#opening--;
      if (isOpen) return;
    }
  }

  /** Records fixes as they are due until the run's bound. */
  async run(startMs: number): Promise<void> {
    const count = this.#senders.length;
    this.#timetable = new Timetable(count, startMs, this.#settings.seed);
    while (true) {
      const nowMs = Date.now();
      while (true) {
        const { phone, slot } = this.#timetable.at(this.#next);
        if (slot >= this.#settings.maxSlots) return;
        const dueMs = this.#timetable.recordedAtMs(phone, slot);
        if (dueMs > nowMs) break;
        this.#next++;
        this.#lags.add(nowMs - dueMs);
        this.#record(phone, slot);
      }
      await pause(TICK_MS);
    }
  }

  /** Phones of which nothing is heard until `hush(() => false)`; what they record is lost. */
  hush(isHushed: (phone: number) => boolean): void {
    this.#isHushed = isHushed;
  }

  #record(phone: number, slot: number): void {
    if (this.#isHushed(phone) || slot < (this.#awayUntil[phone] ?? 0)) return;
    const keptFrom = this.#keptFrom[phone] ?? NONE;
    if (!this.#canSend(phone, slot)) {
      if (keptFrom === NONE) this.#keptFrom[phone] = slot;
      return;
    }
    if (keptFrom !== NONE) {
      this.#keptFrom[phone] = NONE;
      return this.#send(phone, Math.max(keptFrom, slot - MAX_BATCH_SLOTS + 1), slot);
    }
    const conduct = this.#timetable.conduct(phone, slot);
    const held = this.#held[phone] ?? NONE;
    if (conduct === "tunnel" || conduct === "silence") {
      this.#awayUntil[phone] = slot + this.#timetable.length(conduct, phone, slot);
      if (conduct === "tunnel") this.#keptFrom[phone] = slot;
    } else if (conduct === "reorder" && held === NONE) {
      this.#held[phone] = slot;
      return;
    } else {
      this.#send(phone, slot, slot);
      if (conduct === "repeat") this.#send(phone, slot, slot);
    }
    this.#held[phone] = NONE;
    if (held !== NONE) this.#send(phone, held, held);
  }

  /** Some post every half a minute; a socket must be open. */
  #canSend(phone: number, slot: number): boolean {
    const { sockets } = this.#settings;
    const underWay = this.#underWay[phone] ?? 0;
    if (phone < sockets) return underWay < MAX_FRAMES && this.#sockets[phone]?.isOpen === true;
    if (underWay > 0) return false;
    const isBatching = (phone - sockets) % 4 === 0;
    return !isBatching || (slot + phone) % BATCH_SLOTS === 0;
  }

  #send(phone: number, from: number, to: number): void {
    this.#fixes += to - from + 1;
    const socket = this.#sockets[phone];
    this.#underWay[phone] = (this.#underWay[phone] ?? 0) + 1;
    if (phone >= this.#settings.sockets) return this.#post(phone, from, to);
    if (socket === undefined) return;
    if (from === to) return socket.send(`["f",${to},${this.#tuple(phone, to)}]`);
    const tuples: string[] = [];
    for (let slot = from; slot <= to; slot++) tuples.push(this.#tuple(phone, slot));
    socket.send(`["b",${BATCH_SEQ + to},[${tuples.join()}]]`);
  }

  #tuple(phone: number, slot: number): string {
    const { lat, lon } = this.#timetable.place(phone, slot);
    const atMs = this.#timetable.recordedAtMs(phone, slot);
    return `[${atMs},${lat.toFixed(6)},${lon.toFixed(6)},6.5,12.5,7.25]`;
  }

  #hear(phone: number, text: string): void {
    this.#answered(phone);
    // Our own server's: see services/ingest/socket_frames.ts.
    const [kind, seq, codes, more] = JSON.parse(text) as [
      "a" | "e",
      number,
      string[] | string,
      { degraded?: boolean }?,
    ];
    if (kind === "e" || typeof codes === "string") return this.#count(String(codes));
    const isDegraded = more?.degraded === true;
    // The number of a frame is that of its last fix.
    this.#note(phone, seq % BATCH_SEQ - codes.length + 1, codes, isDegraded);
  }

  #post(phone: number, from: number, to: number): void {
    const fixes: string[] = [];
    for (let slot = from; slot <= to; slot++) fixes.push(this.#body(phone, slot));
    const isOne = from === to;
    this.#posting.post({
      path: isOne ? LOCATION : LOCATIONS,
      token: this.#senders[phone]?.token ?? "",
      body: isOne ? fixes[0] ?? "" : `{"positions":[${fixes.join()}]}`,
      done: (raw) => this.#posted(phone, from, raw),
    });
  }

  #body(phone: number, slot: number): string {
    const { lat, lon } = this.#timetable.place(phone, slot);
    const recordedAt = new Date(this.#timetable.recordedAtMs(phone, slot)).toISOString();
    return `{"lat":${lat.toFixed(6)},"lon":${lon.toFixed(6)},"accuracyM":6.5,"headingDeg":12.5,` +
      `"speedMps":7.25,"recordedAt":"${recordedAt}"}`;
  }

  #posted(phone: number, from: number, raw: RawAnswer | undefined): void {
    this.#answered(phone);
    if (raw?.status !== 200) {
      this.#count(raw === undefined ? "not posted" : String(raw.status));
      if ((this.#keptFrom[phone] ?? NONE) === NONE) this.#keptFrom[phone] = from;
      return;
    }
    const body = JSON.parse(raw.body) as {
      reason?: string;
      results?: string[];
      degraded?: boolean;
    };
    this.#note(phone, from, body.results ?? [body.reason ?? "accepted"], body.degraded === true);
  }

  /** Enters into the ledger what was acknowledged. */
  #note(phone: number, from: number, codes: readonly string[], isDegraded: boolean): void {
    if (codes.length === 1 && codes[0] === "accepted" && !isDegraded) {
      this.#acks.add(Date.now() - this.#timetable.recordedAtMs(phone, from));
    }
    for (const [index, code] of codes.entries()) {
      this.#count(code);
      const recordedAtMs = this.#timetable.recordedAtMs(phone, from + index);
      if (code === "accepted" && recordedAtMs > (this.#newestMs[phone] ?? 0)) {
        this.#newestMs[phone] = recordedAtMs;
      }
      // While Redis is away only the newest is promised, and not to the stream.
      if (isDegraded) this.#degraded++;
      else if (KEPT.has(code)) this.#acknowledged.set(phone, from + index);
    }
  }

  #answered(phone: number): void {
    this.#underWay[phone] = Math.max(0, (this.#underWay[phone] ?? 0) - 1);
  }

  #count(outcome: string): void {
    this.#outcomes[outcome] = (this.#outcomes[outcome] ?? 0) + 1;
  }

  /** What happened since this was asked last. */
  figures(): PhonesFigures {
    const figures = {
      fixes: this.#fixes,
      outcomes: this.#outcomes,
      degraded: this.#degraded,
      openSockets: this.#open,
      underWay: this.#underWay.reduce((sum, count) => sum + count, 0),
      ackP50Ms: this.#acks.quantile(0.5),
      ackP99Ms: this.#acks.quantile(0.99),
      lagP99Ms: this.#lags.quantile(0.99),
      lagMaxMs: this.#lags.maxMs,
      postWaitP99Ms: this.#posting.waits.quantile(0.99),
      postWaitMaxMs: this.#posting.waits.maxMs,
    };
    this.#fixes = 0;
    this.#outcomes = {};
    this.#degraded = 0;
    this.#acks.clear();
    this.#lags.clear();
    this.#posting.waits.clear();
    return figures;
  }

  async writeLedger(folder: string): Promise<void> {
    const newest = new Uint8Array(this.#newestMs.buffer as ArrayBuffer);
    await Deno.writeFile(`${folder}/${LEDGER_FILES.newest}`, newest);
    await Deno.writeFile(`${folder}/${LEDGER_FILES.acknowledged}`, this.#acknowledged.bytes);
  }
}

const settings = readSettings<PhonesSettings>();
const senders = JSON.parse(await Deno.readTextFile(settings.sendersFile)) as Sender[];
const phones = new Phones(settings, senders);

for await (const line of toldLines()) {
  const [word, first = "", second = ""] = line.split(" ");
  if (word === "connect") await phones.connect();
  else if (word === "go") void phones.run(Number(first));
  else if (word === "hush") phones.hush((phone) => phone % Number(first) === Number(second));
  else if (word === "resume") phones.hush(() => false);
  else if (word === "ledger") await phones.writeLedger(first);
  answer(word === "figures" ? phones.figures() : undefined);
}
