import { join } from "node:path";
import { readTasks, serviceCommand, type Tasks } from "../service_command.ts";
import type { ServiceSpec } from "../supervisor.ts";
import type { DemoOptions, DemoService } from "./options.ts";

const HOST = "127.0.0.1";

/** Place of each service's port behind the first. */
const PORT_OFFSET: Record<DemoService, number> = {
  gateway: 0,
  ingest: 1,
  tracker: 2,
  matcher: 3,
  keeper: 4,
  simulator: 5,
};

export function portOf(options: DemoOptions, service: DemoService): number {
  return options.port + PORT_OFFSET[service];
}

/** Where a service of the demo answers. */
export function urlOf(options: DemoOptions, service: DemoService): string {
  return `http://${HOST}:${portOf(options, service)}`;
}

export interface DemoStores {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly password: string;
  /** The installation's SECRET_KEY. */
  readonly secretKey: string;
}

/** What the supervisor starts, in its order: each group becomes ready before the next starts. */
export async function demoServices(
  options: DemoOptions,
  stores: DemoStores,
): Promise<ServiceSpec[][]> {
  const tasks = await readTasks();
  const make = (name: DemoService) => serviceSpec(name, tasks, options, stores);
  return [[make("keeper"), make("gateway"), make("ingest"), make("tracker"), make("matcher")], [
    make("simulator"),
  ]];
}

function serviceSpec(
  name: DemoService,
  tasks: Tasks,
  options: DemoOptions,
  stores: DemoStores,
): ServiceSpec {
  const { command, args } = serviceCommand(tasks, name, {
    netHosts: netHosts(options, stores, name),
  });
  return {
    name,
    command,
    args: options.reload ? withReload(args) : args,
    env: envOf(name, options, stores),
    readyUrl: `${urlOf(options, name)}/health/ready`,
  };
}

/** The servers this service talks to and its own port; nothing else can be reached from it. */
function netHosts(options: DemoOptions, stores: DemoStores, name: DemoService): string[] {
  const own = `${HOST}:${portOf(options, name)}`;
  if (name === "simulator") {
    return [
      own,
      ...(["gateway", "ingest", "tracker"] as const).map((other) =>
        `${HOST}:${portOf(options, other)}`
      ),
    ];
  }
  return [own, hostOf(stores.databaseUrl, "5432"), hostOf(stores.redisUrl, "6379")];
}

function hostOf(url: string, defaultPort: string): string {
  const { hostname, port } = new URL(url);
  return `${hostname}:${port === "" ? defaultPort : port}`;
}

function withReload(args: readonly string[]): string[] {
  const [run = "run", ...rest] = args;
  return [run, "--watch", ...rest];
}

function envOf(name: DemoService, options: DemoOptions, stores: DemoStores) {
  const common = {
    HOST,
    PORT: String(portOf(options, name)),
    LOG_FORMAT: "json",
    LOG_LEVEL: options.verbose ? "info" : "warn",
    HEXMILE_DEMO: "true",
    SPEED: String(options.speed),
  };
  const shared = { DATABASE_URL: stores.databaseUrl, REDIS_URL: stores.redisUrl };
  const gatewayUrl = urlOf(options, "gateway");
  switch (name) {
    case "gateway":
      return {
        ...common,
        ...shared,
        PUBLIC_URL: gatewayUrl,
        TRACKER_URL: urlOf(options, "tracker"),
        CITIES: options.city,
        DEMO_PASSWORD: stores.password,
        SECRET_KEY: stores.secretKey,
        // Everybody who looks at the demo orders as one and the same customer.
        LIMIT_ORDERS_PER_HOUR: "1000",
      };
    case "tracker":
      return { ...common, ...shared, CORS_ORIGINS: gatewayUrl };
    case "ingest":
    case "matcher":
    case "keeper":
      return { ...common, ...shared };
    case "simulator":
      return {
        ...common,
        API_URL: gatewayUrl,
        INGEST_URL: urlOf(options, "ingest"),
        TRACKER_URL: urlOf(options, "tracker"),
        CITY: options.city,
        SIMULATED_PASSWORD: stores.password,
        // The one order of the smoke test must not compete with others.
        CUSTOMERS_ENABLED: String(!options.once),
      };
  }
}

/** Where this demo keeps its SECRET_KEY. */
export function secretKeyFile(dataDir: string): string {
  return join(dataDir, "demo-secret-key");
}

/** Where this demo keeps the password of its accounts. */
export function passwordFile(dataDir: string): string {
  return join(dataDir, "demo-password");
}
