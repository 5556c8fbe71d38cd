/** How a child's output line looks in the supervisor's output. Pure functions. */

/** How lines are shown; both are true on a terminal. */
export interface LineStyle {
  /** Colours by service and level (ANSI escape codes). */
  readonly colour: boolean;
  /** JSON log lines are shown as time, level, message and fields. */
  readonly readable: boolean;
}

/** Foreground colours of ECMA-48 that are legible on dark and light terminals; none is red. */
const SERVICE_COLOURS = [36, 32, 35, 34, 33, 96, 92, 95, 94, 93];
const RED = 31;
const YELLOW = 33;
const GREY = 90;

const TIME_KEYS = ["time", "timestamp", "ts"];
const LEVEL_KEYS = ["level", "severity"];
const MESSAGE_KEYS = ["msg", "message"];

/** The line with the service's name in front, padded to `nameWidth`; `index` chooses its colour. */
export function formatLine(
  line: string,
  from: { name: string; nameWidth: number; index: number },
  style: LineStyle,
): string {
  const prefix = `${from.name.padEnd(from.nameWidth)} |`;
  const colour = SERVICE_COLOURS[from.index % SERVICE_COLOURS.length] ?? GREY;
  const shown = style.readable ? readableLine(line, style.colour) : line;
  return `${style.colour ? paint(prefix, colour) : prefix} ${shown}`;
}

/**
 * A JSON log line as `12:00:01.250 info  message key=value`; anything else unchanged. Values are
 * escaped, so that what a client sent cannot move the cursor or fake a line.
 */
export function readableLine(line: string, colour: boolean): string {
  const fields = parseObject(line);
  if (fields === undefined) return line;
  const time = take(fields, TIME_KEYS);
  const level = String(take(fields, LEVEL_KEYS) ?? "").toLowerCase();
  const message = take(fields, MESSAGE_KEYS);
  if (message === undefined) return line;
  delete fields["service"]; // It stands in front of the line.
  const rest = Object.entries(fields).map(([key, value]) => `${key}=${showValue(value)}`);
  const parts = [
    tint(clockTime(time), GREY, colour),
    tint(level.padEnd(5), levelColour(level), colour),
    showText(String(message)),
    tint(rest.join(" "), GREY, colour),
  ];
  return parts.filter((part) => part.trim() !== "").join(" ");
}

function parseObject(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    const parsed: unknown = JSON.parse(line);
    return typeof parsed === "object" && parsed !== null ? { ...parsed } : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function take(fields: Record<string, unknown>, keys: readonly string[]): unknown {
  for (const key of keys) {
    const value = fields[key];
    if (value === undefined) continue;
    delete fields[key];
    return value;
  }
  return undefined;
}

/** The time of day in UTC, as the services write it; a number is milliseconds since 1970. */
function clockTime(time: unknown): string {
  if (typeof time !== "string" && typeof time !== "number") return "";
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? showText(String(time)) : date.toISOString().slice(11, 23);
}

function showValue(value: unknown): string {
  if (typeof value !== "string") return JSON.stringify(value) ?? "undefined";
  return /^[\w.:/@+-]+$/.test(value) ? value : JSON.stringify(value);
}

function showText(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, (char) => JSON.stringify(char).slice(1, -1));
}

function levelColour(level: string): number | undefined {
  if (level === "error" || level === "fatal") return RED;
  if (level === "warn" || level === "warning") return YELLOW;
  return level === "debug" || level === "trace" ? GREY : undefined;
}

function tint(text: string, code: number | undefined, colour: boolean): string {
  return colour && code !== undefined && text !== "" ? paint(text, code) : text;
}

function paint(text: string, code: number): string {
  return `\x1b[${code}m${text}\x1b[0m`;
}
