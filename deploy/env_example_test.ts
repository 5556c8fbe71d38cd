import { strictEqual } from "node:assert/strict";
import { integer, list, text } from "shared/config/fields.ts";
import { ENV_EXAMPLE_FILE, envExample } from "./env_example.ts";
import { SERVICE_CONFIGS } from "./service_configs.ts";

const port = (fallback: string) =>
  integer({ fallback, min: 0, max: 65_535, description: "port to listen on" });

/** The sections after the fixed head. */
function sectionsOf(example: string): string {
  return example.slice(example.indexOf("# --- every service ---"));
}

Deno.test("envExample() gives a default that all share, and lists defaults that differ", () => {
  const one = { HOST: text({ fallback: "127.0.0.1", description: "address" }), PORT: port("1") };
  const two = { HOST: text({ fallback: "127.0.0.1", description: "address" }), PORT: port("2") };
  strictEqual(
    sectionsOf(envExample([{ service: "a", fields: one }, { service: "b", fields: two }])),
    `# --- every service ---

# address
HOST=127.0.0.1

# port to listen on
# defaults: a 1, b 2
PORT=
`,
  );
});

Deno.test("envExample() never writes a secret's default", () => {
  const all = { PORT: port("1") };
  const fields = {
    ...all,
    TOKEN: text({ fallback: "s3cret", secret: true, description: "a key" }),
    PASSWORD: text({ secret: true, description: "a password" }),
  };
  strictEqual(
    sectionsOf(envExample([{ service: "a", fields }, { service: "b", fields: all }])),
    `# --- every service ---

# port to listen on
PORT=1

# --- a ---

# a key
# (secret)
TOKEN=

# a password
# (secret, required)
PASSWORD=
`,
  );
});

Deno.test("envExample() tells readers apart whose descriptions differ", () => {
  const origins = (description: string) => ({ O: list({ fallback: "", description }) });
  const example = envExample([
    { service: "a", fields: { PORT: port("1"), ...origins("of shops") } },
    { service: "b", fields: { PORT: port("1"), ...origins("of couriers") } },
    { service: "c", fields: { PORT: port("1") } },
  ]);
  strictEqual(
    example.slice(example.indexOf("# --- a, b ---")),
    `# --- a, b ---

# a: of shops
# b: of couriers
O=
`,
  );
});

Deno.test(".env.example is what the services declare (run deno task env:example)", async () => {
  strictEqual(await Deno.readTextFile(ENV_EXAMPLE_FILE), envExample(SERVICE_CONFIGS));
});
