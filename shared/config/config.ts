/**
 * Typed configuration from environment variables.
 *
 * A service declares its variables once (name, parser, default, description). The same declaration
 * starts the service, answers `--check-config` and writes `.env.example`, so the three cannot differ.
 * Every problem is reported together: an operator should fix a deployment once, not once per field.
 */

/** Reads one variable: the typed value, or the bound it broke, as "must be ...". */
export type FieldParser<T> = (raw: string) => { ok: true; value: T } | { ok: false; bound: string };

/** One environment variable. A field without `fallback` is required. */
export interface ConfigField<T> {
  readonly parse: FieldParser<T>;
  /** The raw text used when the variable is unset or empty. */
  readonly fallback?: string;
  readonly description: string;
  /** The value is never printed, not even when it is wrong. */
  readonly secret?: boolean;
}

export type ConfigFields = Readonly<Record<string, ConfigField<unknown>>>;

/** The typed result: one property per variable, under the variable's own name. */
export type ConfigOf<Fields extends ConfigFields> = {
  readonly [Name in keyof Fields]: Fields[Name] extends ConfigField<infer T> ? T : never;
};

/** A rule over several fields; returns the problem, or undefined when it holds. */
export type ConfigRule<Fields extends ConfigFields> = (
  config: ConfigOf<Fields>,
) => string | undefined;

/** All problems of one environment. The message has one line per problem. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly string[];

  constructor(service: string, problems: readonly string[]) {
    super(problems.map((problem) => `Cannot start ${service}: ${problem}`).join("\n"));
    this.problems = problems;
  }
}

/**
 * Parses the whole environment of a service.
 *
 * @throws ConfigError that lists every missing or wrong variable with its bound and current value.
 */
export function parseConfig<Fields extends ConfigFields>(
  service: string,
  fields: Fields,
  env: Readonly<Record<string, string | undefined>>,
  rules: readonly ConfigRule<Fields>[] = [],
): ConfigOf<Fields> {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(fields)) {
    const given = env[name];
    const raw = given === undefined || given === "" ? field.fallback : given;
    if (raw === undefined) {
      problems.push(`${name} must be set: it is empty (${field.description})`);
      continue;
    }
    const result = field.parse(raw);
    if (result.ok) values[name] = result.value;
    else problems.push(`${name} ${result.bound}: current value is ${shown(field, raw)}`);
  }
  const config = values as ConfigOf<Fields>;
  if (problems.length === 0) {
    for (const rule of rules) {
      const problem = rule(config);
      if (problem !== undefined) problems.push(problem);
    }
  }
  if (problems.length > 0) throw new ConfigError(service, problems);
  return config;
}

function shown(field: ConfigField<unknown>, raw: string): string {
  return field.secret === true ? "(hidden)" : JSON.stringify(raw);
}
