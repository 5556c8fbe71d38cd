import assert from "node:assert/strict";
import { join } from "node:path";
import { freePort } from "./ports.ts";
import { childEnv, type ServiceSpec, Supervisor } from "./supervisor.ts";

const BOUND_MS = 20_000;

/** A service that is ready on its second question and tells how it was stopped. */
const SERVICE = `
let asked = 0;
const server = Deno.serve({ port: Number(Deno.args[0]), hostname: "127.0.0.1", onListen: () => {} },
  () => new Response(null, { status: ++asked > 1 ? 200 : 503 }));
Deno.addSignalListener("SIGTERM", async () => {
  console.log(JSON.stringify({ level: "info", message: "draining" }));
  await server.shutdown();
  Deno.exit(0);
});
console.log("pid", Deno.pid);
`;

interface Setup {
  readonly lines: string[];
  readonly order: string[];
  readonly supervisor: Supervisor;
  spec(name: string, script?: string): Promise<ServiceSpec>;
}

async function withSupervisor(use: (setup: Setup) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  const lines: string[] = [];
  const order: string[] = [];
  const supervisor = new Supervisor({
    print: (line) => void lines.push(line),
    style: { colour: false, readable: true },
    servers: {
      stop: () => {
        order.push("servers");
        return Promise.resolve();
      },
      hasten: () => void order.push("hasten"),
    },
  });
  supervisor.subscribe((event) => {
    if (event.type === "exit" || event.type === "ready") order.push(`${event.name} ${event.type}`);
  });
  const spec = async (name: string, script = SERVICE) => {
    const file = join(folder, `${name}.ts`);
    await Deno.writeTextFile(file, script);
    const port = freePort();
    const args = ["run", "--no-check", "--no-config", "-A", file, String(port)];
    const readyUrl = `http://127.0.0.1:${port}/health/ready`;
    return { name, command: Deno.execPath(), args, readyUrl, readyTimeoutMs: BOUND_MS };
  };
  try {
    await use({ lines, order, supervisor, spec });
  } finally {
    await supervisor.stopAll();
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("Supervisor starts in order, stops in reverse and the servers last", async () => {
  await withSupervisor(async ({ lines, order, supervisor, spec }) => {
    await supervisor.start(await spec("keeper"));
    await supervisor.start(await spec("gateway"));
    assert.deepEqual(supervisor.names, ["keeper", "gateway"]);
    assert.ok(lines.includes(`keeper    | pid ${supervisor.pidOf("keeper")}`), lines.join("\n"));
    await supervisor.stopAll();
    await supervisor.stopAll();
    assert.deepEqual(order, [
      "keeper ready",
      "gateway ready",
      "gateway exit",
      "keeper exit",
      "servers",
    ]);
    assert.ok(lines.includes("gateway   | info  draining"), lines.join("\n"));
  });
});

Deno.test("Supervisor starts a killed service again and tells it", async () => {
  await withSupervisor(async ({ lines, supervisor, spec }) => {
    await supervisor.start(await spec("tracker"));
    const firstPid = supervisor.pidOf("tracker");
    const again = supervisor.nextEvent((event) => event.type === "ready", BOUND_MS);
    assert.equal(supervisor.kill("tracker", "SIGKILL"), true);
    await again;
    assert.notEqual(supervisor.pidOf("tracker"), firstPid);
    assert.equal(supervisor.isReady("tracker"), true);
    const own = lines.filter((line) => line.startsWith("hexmile"));
    assert.deepEqual(own, [
      "hexmile   | tracker ended by itself (signal SIGKILL)",
      "hexmile   | tracker is started again in 250 ms",
    ]);
  });
});

Deno.test("Supervisor.start() tells why a service ended early; the others go on", async () => {
  await withSupervisor(async ({ supervisor, spec }) => {
    const broken = await spec("broken", "console.error('PORT must be a number'); Deno.exit(2);");
    await assert.rejects(
      supervisor.start(await spec("ingest"), broken),
      /Cannot start broken: it ended before it was ready \(exit code 2\).*PORT must be a number/,
    );
    assert.notEqual(supervisor.pidOf("ingest"), undefined);
    assert.equal(supervisor.pidOf("broken"), undefined);
  });
});

Deno.test("Supervisor.hasten() ends a service that does not drain, and the servers", async () => {
  await withSupervisor(async ({ order, supervisor, spec }) => {
    const deaf = SERVICE.replace("await server.shutdown();", "await new Promise(() => {});");
    await supervisor.start(await spec("matcher", deaf));
    const stopping = supervisor.stopAll();
    supervisor.hasten();
    await stopping;
    assert.deepEqual(order, ["matcher ready", "hasten", "matcher exit", "servers", "hasten"]);
  });
});

Deno.test("Supervisor.nextEvent() rejects at its bound", async () => {
  await withSupervisor(async ({ supervisor }) => {
    await assert.rejects(supervisor.nextEvent(() => true, 1), /no matching event within 1 ms/);
    assert.throws(() => supervisor.pidOf("nobody"), /no service is called nobody/);
  });
});

Deno.test("childEnv() keeps calls on this machine away from a proxy", () => {
  assert.equal(
    childEnv({ NO_PROXY: "example.org" })["NO_PROXY"],
    "example.org,127.0.0.1,localhost",
  );
  assert.equal(childEnv({})["no_proxy"], "127.0.0.1,localhost");
});
