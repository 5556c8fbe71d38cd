/**
 * A whole Hexmile of its own for one fault: durable servers, every service as the process users
 * run, a simulated city without customers, and wires between them that can be disturbed.
 *
 * Concurrency contract. `start` brings everything up in order, or nothing stays; `stop` ends the
 * clients, then the services, then the servers. All ends by pids that the world itself started.
 */
import { Redis } from "ioredis";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadCity } from "shared/city/load_city.ts";
import { createSeededRandom } from "shared/city/seeded_random.ts";
import type { City } from "shared/city/city.ts";
import { redisKeys } from "shared/redis/keys.ts";
import { DEFAULT_REGION_POLICY } from "shared/regions/region.ts";
import { connectSql, type Sql } from "shared/sql/connect.ts";
import { migrate } from "shared/sql/migrate.ts";
import { chooseLocalPlace, PROJECT_DIR } from "../../deploy/local/data_dir.ts";
import { seedCity } from "../../deploy/local/demo/seed.ts";
import { type Servers, startServers } from "../../deploy/local/servers.ts";
import { readTasks, serviceCommand, type Tasks } from "../../deploy/local/service_command.ts";
import { type ServiceSpec, Supervisor } from "../../deploy/local/supervisor.ts";
import { Balancer } from "./balancer.ts";
import { Customers } from "./customers.ts";
import { FaultProxy, through } from "./fault_proxy.ts";
import { History } from "./history.ts";
import { installNotary } from "./notary.ts";
import { ownPort } from "./own_ports.ts";
import { CITY_FOLDER, PASSWORD, processEnv, SECRET_KEY } from "./process_env.ts";
import { SmallDisk } from "./small_disk.ts";
import { TrackWatcher } from "./watcher.ts";

export const SERVICES = ["keeper", "gateway", "ingest", "tracker", "matcher", "simulator"] as const;
export type ServiceName = (typeof SERVICES)[number];

/** A wire with a proxy in it. */
export type LinkName = `${string}>postgres` | `${string}>redis` | "client>gateway";

export interface WorldOptions {
  /** Names the data folder. */
  readonly name: string;
  readonly seed: number;
  readonly links?: readonly LinkName[];
  /** false: nobody reconnects by choice, so that only the tracker can find out about a fault. */
  readonly watchersDrop?: boolean;
  /** Further processes of a service, by the name they get: `{"matcher-2": "matcher"}`. */
  readonly extra?: Readonly<Record<string, ServiceName>>;
  /** Processes that `startLater` will start; balancers know them from the beginning. */
  readonly later?: Readonly<Record<string, ServiceName>>;
  /** Services with a load balancer before all their processes, for whoever talks to them. */
  readonly balanced?: readonly ServiceName[];
  /** Processes whose wall clock signals can move (see moved_clock.ts). */
  readonly movableClocks?: readonly string[];
  /** Redis works on a disk that the test can fill; needs the right to mount one. */
  readonly hasSmallRedisDisk?: boolean;
}

const MOVED_CLOCK = fileURLToPath(new URL("moved_clock.ts", import.meta.url));
/** A simulated courier ignores some offers: 30 s each would be most of a run. */
const OFFER_TTL_MS = 5_000;
const ASK_AGAIN_AFTER_MS = 2_000;
/** All lines of a run of a minute are a few thousand. */
const MAX_LOG_LINES = 100_000;
const HOST = "127.0.0.1";

/** One unexpected end of a process. */
export interface Ending {
  readonly name: string;
  readonly signal: string | null;
  readonly code: number;
}

export class ChaosWorld {
  readonly city: City;
  readonly servers: Servers;
  readonly supervisor: Supervisor;
  readonly sql: Sql;
  /** Straight to the server, past every proxy. */
  readonly redis: Redis;
  readonly keys = redisKeys("");
  readonly history = new History();
  readonly watchers: TrackWatcher[] = [];
  readonly logLines: string[] = [];
  /** Processes that ended without being stopped, also those killed on purpose. */
  readonly endings: Ending[] = [];
  readonly random: () => number;
  readonly #options: WorldOptions;
  readonly #proxies = new Map<LinkName, FaultProxy>();
  readonly #balancers = new Map<ServiceName, Balancer>();
  readonly #ports = new Map<string, number>();
  readonly #redisDisk: SmallDisk | undefined;
  #customers: Customers | undefined;

  private constructor(
    options: WorldOptions,
    city: City,
    servers: Servers,
    redisDisk: SmallDisk | undefined,
  ) {
    this.#options = options;
    this.#redisDisk = redisDisk;
    this.city = city;
    this.servers = servers;
    this.random = createSeededRandom(options.seed);
    this.sql = connectSql(servers.databaseUrl, { applicationName: "chaos", max: 4 });
    // Commands wait for a Redis that a fault has taken away; the bound is the test's own.
    this.redis = new Redis(servers.redisUrl, { lazyConnect: true, maxRetriesPerRequest: null });
    this.redis.on("error", () => {});
    this.supervisor = new Supervisor({
      record: servers.record,
      servers,
      print: (line) => this.#log(line),
      style: { colour: false, readable: false },
    });
    this.supervisor.subscribe((event) => {
      if (event.type === "exit" && !event.expected) this.endings.push(event);
    });
  }

  /** Starts servers, services and customers' sessions. */
  static async start(options: WorldOptions): Promise<ChaosWorld> {
    const root = Deno.env.get("TEST_DATA_DIR");
    if (root === undefined) {
      throw new Error("Cannot run: TEST_DATA_DIR must be set: run deploy/local/run_tests.ts chaos");
    }
    const place = await chooseLocalPlace({ dataDir: join(root, `chaos-${options.name}`) });
    const lines: string[] = [];
    const disk = options.hasSmallRedisDisk === true
      ? SmallDisk.mount(join(place.dataDir, "redis"), place.user)
      : undefined;
    let servers: Servers;
    try {
      servers = await startServers({
        place,
        durable: true,
        postgresPort: ownPort(),
        redisPort: ownPort(),
        say: (line) => lines.push(line),
      });
      disk?.detach();
    } catch (error) {
      disk?.[Symbol.dispose]();
      throw error;
    }
    const world = new ChaosWorld(options, await loadCity(CITY_FOLDER), servers, disk);
    try {
      await world.#bringUp();
      return world;
    } catch (error) {
      await world.stop();
      throw error;
    }
  }

  get customers(): Customers {
    if (this.#customers === undefined) throw new Error("the world is not up yet");
    return this.#customers;
  }

  get redisDisk(): SmallDisk {
    if (this.#redisDisk === undefined) throw new Error("the world has no small disk");
    return this.#redisDisk;
  }

  /** What no log line may hold. */
  get secrets(): string[] {
    const { databaseUrl, redisUrl } = this.servers;
    return [
      PASSWORD,
      SECRET_KEY,
      `@${this.city.region.id}.demo`,
      new URL(databaseUrl).password,
      new URL(redisUrl).password,
      "ticket=",
      ...this.customers.secrets,
    ];
  }

  link(name: LinkName): FaultProxy {
    const proxy = this.#proxies.get(name);
    if (proxy === undefined) throw new Error(`the world has no link ${name}`);
    return proxy;
  }

  /** Ends the faults of all wires. */
  heal(): void {
    for (const proxy of this.#proxies.values()) proxy.heal();
  }

  urlOf(process: string): string {
    const port = this.#ports.get(process) ?? ownPort();
    this.#ports.set(process, port);
    return `http://${HOST}:${port}`;
  }

  /** Where clients find a service: its balancer, or the process that has its name. */
  publicUrlOf(service: ServiceName): string {
    const balancer = this.#balancers.get(service);
    return balancer === undefined ? this.urlOf(service) : `http://${HOST}:${balancer.port}`;
  }

  /** Where customers find the gateway: past the proxy where there is none. */
  get apiUrl(): string {
    const proxy = this.#proxies.get("client>gateway");
    return proxy === undefined ? this.publicUrlOf("gateway") : `http://${HOST}:${proxy.port}`;
  }

  /** Every process of a service, the one of its name first. */
  processesOf(service: ServiceName): string[] {
    const extra = Object.entries({ ...this.#options.extra, ...this.#options.later });
    return [service, ...extra.filter(([, of]) => of === service).map(([process]) => process)];
  }

  /** Starts the processes of `later` from another copy of the project, all at the same time. */
  async startLater(projectDir: string): Promise<void> {
    const tasks = await readTasks(join(projectDir, "deno.json"));
    const later = Object.entries(this.#options.later ?? {});
    await this.supervisor.start(
      ...later.map(([process, service]) => ({
        ...this.#spec(process, service, tasks),
        cwd: projectDir,
      })),
    );
  }

  async stop(): Promise<void> {
    await Promise.all(this.watchers.map((watcher) => watcher.stop()));
    await this.sql.end({ timeout: 1 });
    this.redis.disconnect();
    await this.supervisor.stopAll();
    this.#redisDisk?.[Symbol.dispose]();
    for (const wire of [...this.#proxies.values(), ...this.#balancers.values()]) {
      await wire[Symbol.asyncDispose]();
    }
  }

  async #bringUp(): Promise<void> {
    const { databaseUrl } = this.servers;
    await migrate({ databaseUrl, folder: `${PROJECT_DIR}/migrations`, log: () => {} });
    await installNotary(this.sql);
    await seedCity(this.sql, this.city, PASSWORD);
    const { dispatch, ...rest } = DEFAULT_REGION_POLICY;
    const policy = {
      ...rest,
      dispatch: { ...dispatch, offerTtlMs: OFFER_TTL_MS, askAgainAfterMs: ASK_AGAIN_AFTER_MS },
    };
    await this.sql`update regions set policy = ${this.sql.json(policy)}`;
    await this.redis.connect();
    for (const name of this.#options.links ?? []) this.#openLink(name);
    for (const service of this.#options.balanced ?? []) {
      const urls = this.processesOf(service).map((process) => this.urlOf(process));
      this.#balancers.set(service, new Balancer(urls));
    }
    const tasks = await readTasks();
    const extra = Object.entries(this.#options.extra ?? {});
    await this.supervisor.start(
      ...SERVICES.map((service) => this.#spec(service, service, tasks)),
      ...extra.map(([process, service]) => this.#spec(process, service, tasks)),
    );
    this.#customers = await Customers.signIn({
      apiUrl: this.apiUrl,
      city: this.city,
      password: PASSWORD,
      history: this.history,
      random: this.random,
      onPlaced: (order) => {
        const drops = this.#options.watchersDrop ?? true;
        this.watchers.push(
          new TrackWatcher(order, this.apiUrl, drops ? this.random : undefined),
        );
      },
    });
  }

  #openLink(name: LinkName): void {
    const { databaseUrl, redisUrl } = this.servers;
    const target = name.endsWith(">postgres")
      ? databaseUrl
      : name.endsWith(">redis")
      ? redisUrl
      : this.urlOf("gateway");
    const { hostname, port } = new URL(target);
    this.#proxies.set(name, new FaultProxy({ hostname, port: Number(port) }, this.random));
  }

  #storeUrl(process: string, store: "postgres" | "redis"): string {
    const { databaseUrl, redisUrl } = this.servers;
    const url = store === "postgres" ? databaseUrl : redisUrl;
    const proxy = this.#proxies.get(`${process}>${store}`);
    return proxy === undefined ? url : through(proxy, url);
  }

  #spec(process: string, service: ServiceName, tasks: Tasks): ServiceSpec {
    const { command, args } = serviceCommand(tasks, service);
    const [run = "run", ...rest] = args;
    const url = this.urlOf(process);
    const hasMovableClock = this.#options.movableClocks?.includes(process) ?? false;
    return {
      name: process,
      command,
      args: [run, ...hasMovableClock ? [`--preload=${MOVED_CLOCK}`] : [], ...rest],
      env: processEnv(service, {
        process,
        port: new URL(url).port,
        databaseUrl: this.#storeUrl(process, "postgres"),
        redisUrl: this.#storeUrl(process, "redis"),
        apiUrl: this.apiUrl,
        urlOf: (other) => this.publicUrlOf(other),
        seed: this.#options.seed,
      }),
      readyUrl: `${url}/health/ready`,
    };
  }

  #log(line: string): void {
    if (this.logLines.length < MAX_LOG_LINES) this.logLines.push(line);
  }
}
