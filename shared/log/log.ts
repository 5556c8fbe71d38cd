/**
 * Structured logs: one JSON object per line, or a readable line on a terminal.
 *
 * No personal data: callers log ids, codes and counts. Keys that could hold a person's data or a
 * secret are refused by name, because a habit is not a guarantee.
 */

export type LogLevel = "debug" | "info" | "warn" | "error";

const RANK: Record<LogLevel, number> = { debug: 10, info: 20, warn: 30, error: 40 };

/** Fields that never reach a log, whoever passes them (DESIGN §4.8). */
const REFUSED_FIELDS = new Set([
  "lat",
  "lon",
  "position",
  "location",
  "pickup",
  "dropoff",
  "address",
  "phone",
  "email",
  "password",
  "token",
  "ticket",
  "authorization",
  "cookie",
]);

export type LogFields = Readonly<Record<string, unknown>>;

/** A logger with fields of its own; `with` adds more. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  with(fields: LogFields): Log;
}

export interface LogOptions {
  readonly service: string;
  readonly level: LogLevel;
  readonly format: "auto" | "json" | "pretty";
  /** Where lines go; standard output when absent. */
  readonly write?: (line: string) => void;
  readonly now?: () => Date;
  readonly isTerminal?: boolean;
}

/** Creates the root logger of a process. */
export function createLog(options: LogOptions): Log {
  const write = options.write ?? console.log;
  const now = options.now ?? (() => new Date());
  const isTerminal = options.isTerminal ?? Deno.stdout.isTerminal();
  const pretty = options.format === "pretty" || (options.format === "auto" && isTerminal);
  const emit = (level: LogLevel, message: string, fields: LogFields) => {
    if (RANK[level] < RANK[options.level]) return;
    const line = {
      time: now().toISOString(),
      level,
      service: options.service,
      message,
      ...safe(fields),
    };
    write(pretty ? readable(line) : JSON.stringify(line));
  };
  return bind(emit, {});
}

type Emit = (level: LogLevel, message: string, fields: LogFields) => void;

function bind(emit: Emit, own: LogFields): Log {
  const at = (level: LogLevel) => (message: string, fields: LogFields = {}) =>
    emit(level, message, { ...own, ...fields });
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    with: (fields) => bind(emit, { ...own, ...fields }),
  };
}

function safe(fields: LogFields): Record<string, unknown> {
  const kept: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    kept[name] = REFUSED_FIELDS.has(name.toLowerCase()) ? "[refused]" : plain(value);
  }
  return kept;
}

function plain(value: unknown): unknown {
  if (value instanceof Error) return describeError(value);
  return typeof value === "bigint" ? value.toString() : value;
}

/** An error with its causes, for the log only: never for a response. */
export function describeError(error: unknown): string {
  const parts: string[] = [];
  let current: unknown = error;
  for (let depth = 0; depth < 5 && current instanceof Error; depth++) {
    const code = "code" in current && typeof current.code === "string" ? ` (${current.code})` : "";
    parts.push(
      depth === 0 ? current.stack ?? String(current) : `${current.name}: ${current.message}${code}`,
    );
    current = current.cause;
  }
  return parts.length > 0 ? parts.join(" <- ") : String(error);
}

function readable(line: Record<string, unknown>): string {
  const { time, level, service, message, ...rest } = line;
  const pairs = Object.entries(rest).map(([name, value]) =>
    `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`
  );
  const clock = String(time).slice(11, 23);
  return `${clock} ${String(level).padEnd(5)} ${String(service)} ${String(message)} ${
    pairs.join(" ")
  }`
    .trimEnd();
}

/** A logger that drops everything, for pure tests. */
export const silentLog: Log = bind(() => {}, {});
