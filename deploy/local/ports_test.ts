import assert from "node:assert/strict";
import { freePort, requireFreePort } from "./ports.ts";
import { SetupError } from "./setup_error.ts";

Deno.test("freePort() gives a port that can be listened on", () => {
  requireFreePort(freePort(), "gateway", "--port");
});

Deno.test("requireFreePort() names the port, what wanted it and the option", () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  try {
    assert.throws(
      () => requireFreePort(port, "gateway", "--port"),
      new SetupError(
        `Port ${port} for gateway is taken by another program: stop it, or choose another --port.`,
      ),
    );
  } finally {
    listener.close();
  }
});
