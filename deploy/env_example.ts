/**
 * `deno task env:example`: writes `.env.example` from the services' own declarations, so that the
 * file cannot name a variable that nobody reads or miss one that somebody does.
 */
import type { ConfigField } from "shared/config/config.ts";
import { SERVICE_CONFIGS, type ServiceConfig } from "./service_configs.ts";

/** Where the file is. */
export const ENV_EXAMPLE_FILE: URL = new URL("../.env.example", import.meta.url);

/** Longest line of a comment. */
const WIDTH = 100;

const HEAD = `# Made by \`deno task env:example\` from services/*/config.ts: do not edit.
#
# Copy it to .env and fill in what has no value. A service reads only the variables listed for it;
# one that is unset or empty takes its default. \`deno task <service> --check-config\` checks them.

# --- docker-compose.yml ---

# Password of the Postgres user hexmile (secret, required there)
POSTGRES_PASSWORD=

# Password of Redis (secret, required there)
REDIS_PASSWORD=
`;

/** One variable and the services that read it. */
interface Variable {
  readonly name: string;
  readonly readers: readonly { readonly service: string; readonly field: ConfigField<unknown> }[];
}

/**
 * The text of `.env.example`: variables grouped by who reads them, each with its description.
 * Secrets have no value. Where services differ in the default, the value is left empty and the
 * comment lists the defaults, because an empty variable takes each service's own.
 */
export function envExample(configs: readonly ServiceConfig[]): string {
  const groups = Map.groupBy(variablesOf(configs), (variable) => readersOf(variable, configs));
  const sections = [...groups].map(([readers, variables]) =>
    [`# --- ${readers} ---`, ...variables.map(describe)].join("\n\n") + "\n"
  );
  return [HEAD, ...sections].join("\n");
}

function variablesOf(configs: readonly ServiceConfig[]): Variable[] {
  const all = configs.flatMap(({ service, fields }) =>
    Object.entries(fields).map(([name, field]) => ({ name, service, field }))
  );
  return [...Map.groupBy(all, ({ name }) => name)].map(([name, readers]) => ({ name, readers }));
}

function readersOf({ readers }: Variable, configs: readonly ServiceConfig[]): string {
  if (readers.length === configs.length) return "every service";
  return readers.map(({ service }) => service).join(", ");
}

function describe({ name, readers }: Variable): string {
  const [first] = readers;
  if (first === undefined) throw new Error(`nobody reads ${name}`);
  const { field } = first;
  const isRequired = readers.some((reader) => reader.field.fallback === undefined);
  const defaults = new Set(readers.map((reader) => reader.field.fallback));
  const isSecret = field.secret === true;
  const lines = commentsOf(readers);
  if (isSecret) lines.push(isRequired ? "(secret, required)" : "(secret)");
  else if (isRequired) lines.push("(required)");
  if (defaults.size > 1) lines.push(`defaults: ${readers.map(defaultOf).join(", ")}`);
  const value = isSecret || defaults.size > 1 ? "" : field.fallback ?? "";
  return [...lines.flatMap(wrap), `${name}=${value}`].join("\n");
}

/** The description, once per wording. */
function commentsOf(readers: Variable["readers"]): string[] {
  const byText = Map.groupBy(readers, ({ field }) => field.description);
  if (byText.size === 1) return [...byText.keys()];
  return [...byText].map(([text, group]) =>
    `${group.map(({ service }) => service).join(", ")}: ${text}`
  );
}

function defaultOf({ service, field }: Variable["readers"][number]): string {
  const shown = field.fallback === "" ? "(empty)" : field.fallback ?? "(none)";
  return `${service} ${shown}`;
}

function wrap(text: string): string[] {
  const lines: string[] = [];
  let line = "#";
  for (const word of text.split(" ")) {
    if (line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = "#";
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}

if (import.meta.main) {
  await Deno.writeTextFile(ENV_EXAMPLE_FILE, envExample(SERVICE_CONFIGS));
  console.log("wrote .env.example");
}
