import { silentLog } from "shared/log/log.ts";
import { listen } from "shared/sql/listen.ts";
import { Background } from "../harness/background.ts";
import { eventually } from "../harness/eventually.ts";
import { withStores } from "../harness/with_stores.ts";

Deno.test("listen() hears, comes back after its connection was ended, and says so each time", async () => {
  await withStores(async ({ sql, databaseUrl }) => {
    const applicationName = "listen-test";
    let ready = 0;
    let heard = 0;
    await using background = new Background();
    background.run((signal) =>
      listen({
        databaseUrl,
        channel: "listen_test",
        applicationName,
        log: silentLog,
        signal,
        onReady: () => ready++,
        onNotification: () => heard++,
      })
    );
    await eventually("it listens", () => ready === 1);
    await sql`select pg_notify('listen_test', '')`;
    await eventually("it heard", () => heard === 1);
    await sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = ${applicationName}`;
    await eventually("it listens again", () => ready === 2);
    await sql`select pg_notify('listen_test', '')`;
    await eventually("it heard again", () => heard === 2);
  });
});
