/** What a service may read of the environment is exactly what it declares, wherever it is started. */
import { deepStrictEqual, ok } from "node:assert/strict";
import { ENV_EXAMPLE_FILE } from "../deploy/env_example.ts";
import { readTasks, serviceCommand } from "../deploy/local/service_command.ts";
import { SERVICE_CONFIGS } from "../deploy/service_configs.ts";
import { listFiles, readText } from "./house/source_tree.ts";

Deno.test("SERVICE_CONFIGS has every service that declares its environment", async () => {
  const folders = (await listFiles("services"))
    .filter((path) => path.endsWith("/config.ts"))
    .map((path) => path.split("/")[1]);
  deepStrictEqual(SERVICE_CONFIGS.map(({ service }) => service).toSorted(), folders);
});

for (const { service, fields } of SERVICE_CONFIGS) {
  Deno.test(`the task ${service} allows exactly the variables that ${service} declares`, async () => {
    const { args } = serviceCommand(await readTasks(), service);
    const allowed = args.find((arg) => arg.startsWith("--allow-env="))?.slice(12).split(",");
    deepStrictEqual(allowed?.toSorted(), Object.keys(fields).sort());
  });

  Deno.test(`the task ${service} gives no more than a service needs`, async () => {
    const { args } = serviceCommand(await readTasks(), service);
    const needed = ["--no-prompt", "--ignore-env", "--deny-run", "--deny-ffi", "--deny-write"];
    for (const flag of needed) ok(args.includes(flag), `${service} lacks ${flag}`);
    const granted = args.filter((arg) => /^(-A|--allow-)/.test(arg)).map((arg) =>
      arg.split("=")[0]
    );
    const allowed = ["--allow-net", "--allow-env", "--allow-read"];
    deepStrictEqual(granted.filter((flag) => !allowed.includes(flag ?? "")), []);
    ok(!args.includes("--allow-read"), `${service} must name what it reads`);
  });
}

Deno.test("docker-compose.yml sets only variables that a service reads", async () => {
  const compose = await readText("docker-compose.yml") ?? "";
  const known = new Set([
    ...SERVICE_CONFIGS.flatMap(({ fields }) => Object.keys(fields)),
    // Of the images of Postgres and Redis.
    "POSTGRES_DB",
    "POSTGRES_PASSWORD",
    "POSTGRES_USER",
    "REDISCLI_AUTH",
  ]);
  const set = [...compose.matchAll(/^ +([A-Z][A-Z0-9_]+):/gm)].map(([, name = ""]) => name);
  ok(set.length > 10);
  deepStrictEqual(set.filter((name) => !known.has(name)), []);
});

Deno.test("docker-compose.yml asks only for values that .env.example names", async () => {
  const compose = await readText("docker-compose.yml") ?? "";
  const example = await Deno.readTextFile(ENV_EXAMPLE_FILE);
  const named = new Set([...example.matchAll(/^([A-Z][A-Z0-9_]+)=/gm)].map(([, name]) => name));
  const asked = [...compose.matchAll(/\$\{([A-Z0-9_]+)/g)].map(([, name]) => name);
  ok(asked.length > 0);
  deepStrictEqual(asked.filter((name) => !named.has(name)), []);
});

Deno.test("docker-compose.yml and prometheus.yml know every service but the simulator", async () => {
  const compose = await readText("docker-compose.yml") ?? "";
  const prometheus = await readText("prometheus/prometheus.yml") ?? "";
  for (const { service, fields } of SERVICE_CONFIGS) {
    if (service === "simulator") continue;
    const port = fields["PORT"]?.fallback;
    const block = new RegExp(`^  ${service}:\\n((?:    .*\\n|\\n)+)`, "m").exec(compose)?.[1] ?? "";
    ok(block.includes(`PORT: "${port}"`), `${service} must listen on ${port} in its container`);
    ok(block.includes(`- task\n      - ${service}\n`), `${service} must run its task`);
    ok(prometheus.includes(`targets: ["${service}:${port}"]`), `${service} must be scraped`);
  }
});
