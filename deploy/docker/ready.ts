/** Exits 0 when the service of this container is ready: the container's health check. */

const port = Deno.env.get("PORT") ?? "";
const response = await fetch(`http://127.0.0.1:${port}/health/ready`).catch(() => undefined);
Deno.exit(response?.ok === true ? 0 : 1);
