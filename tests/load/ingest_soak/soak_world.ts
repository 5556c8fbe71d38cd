/**
 * Everything of the long run: services as their tasks start them, the reader, the phones.
 *
 * Contract: `start` brings all up in order or leaves nothing; `stop` ends the phones first. Only
 * processes that were started here are ended.
 */
import { Redis } from "ioredis";
import { readGeneration, redisGeneration } from "shared/redis/generation.ts";
import { redisKeys } from "shared/redis/keys.ts";
import { connectSql, type Sql } from "shared/sql/connect.ts";
import { ownPort } from "../../chaos/own_ports.ts";
import { eventually } from "../../harness/eventually.ts";
import { BenchProcess } from "../harness/bench_process.ts";
import type { BenchStores } from "../harness/bench_stores.ts";
import { ServerProcess } from "../harness/server_process.ts";
import type { Sender } from "../ingest/settings.ts";
import { readNewest, readStreamed } from "./checks.ts";
import { behindInHistory } from "./history_check.ts";
import { Timetable } from "./timetable.ts";
import type { PhonesFigures, PhonesSettings, ReaderFigures, ReaderSettings } from "./settings.ts";
import type { Pids } from "./usage.ts";

const PREFIX = "soak:";
const ASK_TIMEOUT_MS = 60_000;
const CONNECT_TIMEOUT_MS = 180_000;
const REBUILD_TIMEOUT_MS = 30_000;

export interface SoakSettings {
  readonly sendersFile: string;
  readonly sockets: number;
  readonly maxSlots: number;
  readonly rampSlots: number;
  readonly seed: number;
  /** Which couriers have an order, as they were seeded; none unless said. */
  readonly isBusy?: (courier: number) => boolean;
}

export class SoakWorld {
  readonly stores: BenchStores;
  readonly senders: readonly Sender[];
  readonly sql: Sql;
  readonly redis: Redis;
  readonly keys = redisKeys(PREFIX);
  /** Where the ledgers are written. */
  readonly folder: string;
  readonly #settings: SoakSettings;
  readonly #ingestPort = ownPort();
  readonly #servers = new Map<string, ServerProcess>();
  /** When the phones began. */
  #startMs = 0;
  #phones: BenchProcess | undefined;
  #reader: BenchProcess | undefined;

  private constructor(
    stores: BenchStores,
    settings: SoakSettings,
    { senders, folder }: { senders: readonly Sender[]; folder: string },
  ) {
    this.stores = stores;
    this.senders = senders;
    this.folder = folder;
    this.#settings = settings;
    this.sql = connectSql(stores.databaseUrl, { applicationName: "soak", max: 2 });
    // Its commands wait while Redis is restarted; every wait on them has a bound of its own.
    this.redis = new Redis(stores.redisUrl, { maxRetriesPerRequest: null });
    this.redis.on("error", () => {});
  }

  static async start(stores: BenchStores, settings: SoakSettings): Promise<SoakWorld> {
    const senders = JSON.parse(await Deno.readTextFile(settings.sendersFile)) as Sender[];
    const folder = await Deno.makeTempDir({ prefix: "hexmile-soak-" });
    const world = new SoakWorld(stores, settings, { senders, folder });
    try {
      await world.#startAll();
      return world;
    } catch (error) {
      await world.stop();
      throw error;
    }
  }

  async #startAll(): Promise<void> {
    const { redisUrl } = this.stores;
    const { sendersFile, maxSlots, rampSlots, sockets, seed } = this.#settings;
    await this.#startServer("keeper", ownPort());
    await eventually("redis is rebuilt", () => this.isRebuilt(), REBUILD_TIMEOUT_MS);
    await this.startIngest();
    await this.#startServer("tracker", ownPort());
    const at = (file: string) => new URL(file, import.meta.url);
    const reader: ReaderSettings = { redisUrl, prefix: PREFIX, sendersFile, maxSlots, seed };
    this.#reader = new BenchProcess("reader", at("./reader.ts"), reader);
    const phones: PhonesSettings = {
      port: this.#ingestPort,
      sendersFile,
      sockets,
      maxSlots,
      rampSlots,
      seed,
    };
    this.#phones = new BenchProcess("phones", at("./phones.ts"), phones);
  }

  /** Starts ingest; the one before must have ended. */
  async startIngest(): Promise<void> {
    await this.#startServer("ingest", this.#ingestPort);
  }

  async #startServer(service: string, port: number): Promise<void> {
    const { databaseUrl, redisUrl } = this.stores;
    const server = await ServerProcess.start(service, port, {
      DATABASE_URL: databaseUrl,
      REDIS_URL: redisUrl,
      REDIS_KEY_PREFIX: PREFIX,
      LOG_LEVEL: "error",
    });
    this.#servers.set(service, server);
  }

  /** A fault: ingest ends where it stands. */
  async killIngest(): Promise<void> {
    await this.#servers.get("ingest")?.kill();
  }

  /** Ingest drains and ends, as at a deployment. */
  async stopIngest(): Promise<void> {
    await this.#servers.get("ingest")?.stop();
  }

  /** What runs now: our services and the reader; what they stand on; and the phones. */
  get pids(): { readonly ours: Pids; readonly stores: Pids; readonly phones: Pids } {
    const ours: Record<string, number> = {};
    for (const [name, { pid }] of this.#servers) ours[name] = pid;
    const { pids, redis } = this.stores;
    return {
      ours: { ...ours, reader: this.#child(this.#reader).pid },
      stores: { ...pids, redis: redis.pid ?? pids["redis"] ?? 0 },
      phones: { phones: this.#child(this.#phones).pid },
    };
  }

  /** Opens the sockets of all phones. */
  async connect(): Promise<void> {
    await this.#child(this.#phones).ask("connect", CONNECT_TIMEOUT_MS);
  }

  /** Begins to record. */
  async go(): Promise<void> {
    this.#startMs = Date.now() + 200;
    await this.#child(this.#reader).ask(`go ${this.#startMs}`, ASK_TIMEOUT_MS);
    await this.#child(this.#phones).ask(`go ${this.#startMs}`, ASK_TIMEOUT_MS);
  }

  /** Every `divisor`th phone falls silent at once; 1 for all of them. */
  async hush(divisor: number, rest = 0): Promise<void> {
    await this.#child(this.#phones).ask(`hush ${divisor} ${rest}`, ASK_TIMEOUT_MS);
  }

  async resume(): Promise<void> {
    await this.#child(this.#phones).ask("resume", ASK_TIMEOUT_MS);
  }

  async phonesFigures(): Promise<PhonesFigures> {
    return await this.#child(this.#phones).ask("figures", ASK_TIMEOUT_MS) as PhonesFigures;
  }

  async readerFigures(): Promise<ReaderFigures> {
    return await this.#child(this.#reader).ask("figures", ASK_TIMEOUT_MS) as ReaderFigures;
  }

  /** What each phone was told is stored, as of now. */
  async newestAcknowledged(): Promise<Float64Array> {
    await this.#child(this.#phones).ask(`ledger ${this.folder}`, ASK_TIMEOUT_MS);
    return await readNewest(this.folder);
  }

  /** Writes what stood on the stream beside the phones' ledger. */
  async writeStreamed(): Promise<void> {
    await this.#child(this.#reader).ask(`ledger ${this.folder}`, ASK_TIMEOUT_MS);
  }

  /** Phones with an order of which the history lacks fixes that stood on the stream. */
  async behindInHistory(): Promise<number[]> {
    const { senders, sql } = this;
    const { maxSlots, seed, isBusy = () => false } = this.#settings;
    return await behindInHistory(sql, {
      senders,
      carriers: [...senders.keys()].filter(isBusy),
      streamed: await readStreamed(this.folder, { phones: senders.length, slots: maxSlots }),
      timetable: new Timetable(senders.length, this.#startMs, seed),
      maxSlots,
    });
  }

  /** Whether Redis holds the generation that Postgres tells. */
  async isRebuilt(): Promise<boolean> {
    const found = await redisGeneration(this.redis, this.keys);
    return found === await readGeneration(this.sql);
  }

  #child(child: BenchProcess | undefined): BenchProcess {
    if (child === undefined) throw new Error("the world is not up");
    return child;
  }

  async stop(): Promise<void> {
    await this.#phones?.stop();
    await this.#reader?.stop();
    for (const server of [...this.#servers.values()].reverse()) await server.stop();
    this.redis.disconnect();
    await this.sql.end({ timeout: 5 });
    await Deno.remove(this.folder, { recursive: true });
  }
}
