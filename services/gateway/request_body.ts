/** Chunks without a byte that are passed over; the runtime sends one where there is no body. */
const MAX_EMPTY_CHUNKS = 8;

/**
 * Whether a request brings a body. The runtime gives a POST a stream also where nothing was sent:
 * `curl -X POST` names neither a length nor a type, and only a look into the stream tells.
 */
export async function hasBody(request: Request): Promise<boolean> {
  if (request.body === null) return false;
  const length = request.headers.get("content-length");
  if (length !== null) return length !== "0";
  const reader = request.clone().body?.getReader();
  if (reader === undefined) return false;
  try {
    for (let chunk = 0; chunk <= MAX_EMPTY_CHUNKS; chunk++) {
      const { done, value } = await reader.read();
      if (done) return false;
      if (value.length > 0) return true;
    }
    return true;
  } finally {
    await reader.cancel();
  }
}
