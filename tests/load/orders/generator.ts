/** Sends orders in an open loop over kept connections, and checks every answer. */
import { HttpConnection } from "../harness/http_connection.ts";
import { readSettings, stopped, tell, told } from "../harness/child.ts";
import { runOpenLoop } from "../harness/open_loop.ts";
import { type GeneratorSettings, orderOf, ORDERS_PER_CUSTOMER, tokenOf } from "./work.ts";

/**
 * As many as requests under way at capacity. Customers have a connection each; with fewer, requests
 * wait here for one another and not at the server.
 */
const CONNECTIONS = 256;

const settings = readSettings<GeneratorSettings>();
const { port, menus, run, firstCustomer, customers } = settings;
const idle: HttpConnection[] = [];
const waiting: ((connection: HttpConnection) => void)[] = [];
const counts = { placed: 0, mismatches: 0 };
const refused = new Map<string, number>();
for (let n = 0; n < CONNECTIONS; n++) idle.push(await HttpConnection.open(port));

function take(): Promise<HttpConnection> {
  const connection = idle.pop();
  if (connection !== undefined) return Promise.resolve(connection);
  return new Promise((resolve) => waiting.push(resolve));
}

function giveBack(connection: HttpConnection): void {
  const next = waiting.shift();
  if (next === undefined) idle.push(connection);
  else next(connection);
}

async function send(n: number): Promise<void> {
  // In turn, so that a customer's orders are far apart.
  const customer = firstCustomer + n % customers;
  if (n >= customers * ORDERS_PER_CUSTOMER) throw new Error("there must be more customers");
  const { body, itemsMinor } = orderOf(menus, run, n);
  const headers = `authorization: Bearer ${tokenOf(customer)}\r\nidempotency-key: ${run}-${n}\r\n`;
  const connection = await take();
  const answer = await connection.post("/api/v1/orders", headers, body);
  giveBack(connection);
  if (answer.status !== 201) {
    const what = `${answer.status} ${/"code":"[a-z_.]+"/.exec(answer.body)?.[0] ?? ""}`;
    refused.set(what, (refused.get(what) ?? 0) + 1);
    return;
  }
  counts.placed++;
  if (!answer.body.includes(`"items":${itemsMinor},`)) counts.mismatches++;
}

tell("ready");
await told();
tell("started");
const plan = { ...settings, seed: 20261121 };
const outcome = await runOpenLoop(plan, send, () => tell("warm"));
tell("done", counts.placed, { ...outcome, ...counts, refused: Object.fromEntries(refused) });
await stopped();
for (const connection of idle) connection.close();
