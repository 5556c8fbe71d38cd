/**
 * Rows as text and back. JSON alone would lose what dates and bytes are. The tags hold a NUL, which
 * Postgres stores in no text and no JSON, so no row can pretend to be one.
 */
const DATE = "\0date";
const BYTES = "\0bytes";

/** @throws TypeError for what JSON cannot say, such as a cycle. */
export function encode(value: unknown): string {
  return JSON.stringify(value, function (this: Record<string, unknown>, key, shown: unknown) {
    // Dates have a toJSON, which has already run on what is handed in here.
    const held = this[key];
    if (held instanceof Date) return { [DATE]: held.getTime() };
    if (held instanceof Uint8Array) return { [BYTES]: [...held] };
    return shown;
  });
}

/** What `encode` was given. @throws SyntaxError for anything that is no JSON. */
export function decode(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown) => {
    if (typeof value !== "object" || value === null) return value;
    if (DATE in value) return new Date(Number(value[DATE]));
    if (BYTES in value && Array.isArray(value[BYTES])) return Uint8Array.from(value[BYTES]);
    return value;
  });
}
