const TIMEOUT_MS = 20_000;
const INTERVAL_MS = 5;

/** Resolves as soon as the condition holds; rejects with what it waited for after 20 s. */
export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  const deadlineMs = performance.now() + TIMEOUT_MS;
  while (!await condition()) {
    if (performance.now() > deadlineMs) throw new Error(`did not see ${what}`);
    await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
  }
}
