import { ProblemError } from "shared/problem/problem.ts";

/**
 * Reads a body as text, but never more than the bound, whatever Content-Length says.
 *
 * @throws ProblemError over the bound.
 */
export async function readText(request: Request, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body ?? []) {
    length += chunk.byteLength;
    if (length > maxBytes) {
      throw new ProblemError("request.too_large", {
        detail: `Cannot read the body: it must be <= ${maxBytes} bytes`,
      });
    }
    chunks.push(chunk);
  }
  const decoder = new TextDecoder();
  return chunks.map((chunk) => decoder.decode(chunk, { stream: true })).join("") +
    decoder.decode();
}

/** Parses a body. @throws ProblemError for what is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ProblemError("request.malformed");
  }
}
