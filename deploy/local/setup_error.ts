/**
 * What goes wrong while the local servers are being found, fetched and started is told to a person
 * in one sentence. Whoever catches a `SetupError` prints its message and exits with a code; any
 * other error is a bug and keeps its stack.
 */

/** A failure that one sentence explains; the caller prints `message` without a stack. */
export class SetupError extends Error {
  override name = "SetupError";
}

/** A message longer than this is cut: it still has to be one readable sentence. */
const MAX_REASON_CHARS = 400;

/**
 * The short reason inside any thrown value, on one line and without a final full stop, so that it
 * can be placed inside a sentence. Network errors often have an empty message and only a code.
 */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  if (!(error instanceof Error)) return oneLine(String(error));
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  const text = error.message === "" ? code || error.name : error.message;
  return oneLine(code !== "" && !text.includes(code) ? `${text} (${code})` : text);
}

function oneLine(text: string): string {
  const line = text.replaceAll(/\s+/g, " ").trim().replace(/\.$/, "");
  return line.length > MAX_REASON_CHARS ? `${line.slice(0, MAX_REASON_CHARS)} ...` : line;
}

/**
 * The URL without its password and its query (which may carry keys), safe to print. What is not a
 * URL is not echoed at all: it may be a password pasted into the wrong variable.
 */
export function withoutPassword(url: string): string {
  if (!URL.canParse(url)) return "(not a URL)";
  const parsed = new URL(url);
  parsed.password = "";
  parsed.search = "";
  parsed.hash = "";
  return parsed.href;
}
