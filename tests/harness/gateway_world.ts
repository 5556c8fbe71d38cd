/** A small town behind the gateway: one merchant, its people, and short ways to orders. */
import assert from "node:assert/strict";
import { insertCourier, insertMerchant, insertRegion, type TestMerchant } from "./fixtures.ts";
import { type Answer, startGateway, type TestGateway } from "./gateway_app.ts";
import { type DispatchWorld, holdLease, offer } from "./dispatch_world.ts";
import type { TestStores } from "./stores.ts";

export interface Person {
  readonly accountId: string;
  readonly token: string;
}

export interface GatewayWorld {
  readonly stores: TestStores;
  readonly gateway: TestGateway;
  readonly merchant: TestMerchant & { readonly token: string };
  readonly customer: Person;
  readonly dispatch: DispatchWorld;
}

export const DROPOFF = { lat: 57.71, lon: 11.91 };

/** Opens the town on stores that are still empty. */
export async function createGatewayWorld(stores: TestStores): Promise<GatewayWorld> {
  const { sql } = stores;
  await insertRegion(sql);
  const merchant = await insertMerchant(sql);
  const gateway = startGateway(stores);
  const customer = await gateway.signIn("customer");
  const dispatch: DispatchWorld = {
    sql,
    lease: await holdLease(sql),
    customerId: customer.accountId,
    merchantId: merchant.merchantId,
    merchantAccountId: merchant.accountId,
  };
  const token = await gateway.tokenOf(merchant.accountId);
  return { stores, gateway, merchant: { ...merchant, token }, customer, dispatch };
}

export async function closeGatewayWorld(world: GatewayWorld | undefined): Promise<void> {
  world?.gateway.close();
  await world?.stores.close();
}

/** Two soups to a door 1.26 km away. */
export function soupOrder(world: GatewayWorld, changes: Record<string, unknown> = {}) {
  return {
    kind: "marketplace",
    merchantId: world.merchant.merchantId,
    items: [{ menuItemId: world.merchant.menuItemId, quantity: 2 }],
    dropoff: DROPOFF,
    ...changes,
  };
}

export function parcelOrder(changes: Record<string, unknown> = {}) {
  return { kind: "parcel", pickup: { lat: 57.7, lon: 11.9 }, dropoff: DROPOFF, ...changes };
}

export interface PlaceOptions {
  readonly by?: Person;
  readonly key?: string;
  readonly headers?: Record<string, string>;
}

/** Posts an order, whatever comes of it. */
export async function place(
  world: GatewayWorld,
  body: unknown,
  options: PlaceOptions = {},
): Promise<Answer> {
  const { by = world.customer, key, headers = {} } = options;
  return await world.gateway.call("POST", "/api/v1/orders", {
    token: by.token,
    body,
    headers: { ...headers, ...(key === undefined ? {} : { "idempotency-key": key }) },
  });
}

/** Posts an order that must be taken, and gives its id. */
export async function placed(
  world: GatewayWorld,
  body: unknown = soupOrder(world),
): Promise<string> {
  const answer = await place(world, body);
  assert.equal(answer.status, 201, answer.text);
  return String(answer.json?.["id"]);
}

/** A courier with a session. */
export async function newCourier(
  world: GatewayWorld,
  options: { capacity?: number } = {},
): Promise<Person> {
  const accountId = await insertCourier(world.stores.sql, options);
  return { accountId, token: await world.gateway.tokenOf(accountId) };
}

/** Asks something of the merchant's or the courier's side that must be allowed. */
export async function ask(
  world: GatewayWorld,
  by: { readonly token: string },
  method: string,
  path: string,
  body?: unknown,
): Promise<Answer> {
  const answer = await world.gateway.call(method, path, { token: by.token, body });
  assert.ok(answer.status < 300, `${method} ${path}: ${answer.text}`);
  return answer;
}

/** An order of the world's customer that a courier has accepted over HTTP, not picked up. */
export async function acceptedOrder(
  world: GatewayWorld,
  body: unknown = soupOrder(world),
): Promise<{ orderId: string; offerId: string; courier: Person }> {
  const orderId = await placed(world, body);
  const isParcel = (body as { kind: string }).kind === "parcel";
  if (!isParcel) {
    await ask(world, world.merchant, "POST", `/api/v1/merchant/orders/${orderId}/confirm`);
  }
  const courier = await newCourier(world);
  const offerId = await offer(world.dispatch, orderId, courier.accountId);
  await ask(world, courier, "POST", `/api/v1/courier/offers/${offerId}/accept`);
  return { orderId, offerId, courier };
}
