import { createRoute } from "@hono/zod-openapi";
import type { Point } from "shared/geo/point.ts";
import { uuidv7 } from "shared/ids/uuid.ts";
import { ProblemError } from "shared/problem/problem.ts";
import { type Region, serves } from "shared/regions/region.ts";
import {
  courierFleetSchema,
  createMerchantSchema,
  merchantProfileSchema,
  pauseMerchantSchema,
  updateMerchantSchema,
} from "../catalogue_schemas.ts";
import { access, principalOf } from "../access.ts";
import { audited } from "../audited.ts";
import type { GatewayDeps } from "../deps.ts";
import { answers, createRoutes, type GatewayApp, jsonBody, problems } from "../http.ts";
import { invalidField } from "../invalid_field.ts";
import { merchantProfileJson } from "../merchant_json.ts";
import { requireOwnMerchant } from "../own_merchant.ts";
import { idParam, listOf } from "../schemas.ts";
import {
  archiveMerchant,
  insertMerchant,
  isMerchantAccount,
  MAX_MERCHANTS_PER_ACCOUNT,
  pauseMerchant,
  setCourierFleet,
  updateMerchant,
} from "../stores/merchant_profile_store.ts";
import { findMerchant, listOwnMerchants } from "../stores/merchant_store.ts";

/** Who writes a merchant; that it is theirs is looked at in the handler. */
const OWNER = { roles: ["merchant", "admin"], scope: "merchants:write" } as const;

const PROFILE = answers("The merchant as its owner sees it", merchantProfileSchema);
const OWNED = problems("request.invalid", "auth.required", "merchant.not_found");

const own = createRoute({
  method: "get",
  path: "/api/v1/merchant/merchants",
  tags: ["merchant"],
  summary: "Your merchants",
  ...access({ roles: ["merchant"], scope: "merchants:read" }),
  responses: {
    200: answers("Merchants by name", listOf(merchantProfileSchema)),
    ...problems("auth.required"),
  },
});

const create = createRoute({
  method: "post",
  path: "/api/v1/merchants",
  tags: ["merchant"],
  summary: "Open a merchant",
  description: "Its region is the one that serves its place. An admin names the owner.",
  ...access(OWNER),
  request: { body: jsonBody(createMerchantSchema) },
  responses: {
    201: PROFILE,
    ...problems("request.invalid", "auth.required", "catalogue.full"),
  },
});

const update = createRoute({
  method: "patch",
  path: "/api/v1/merchants/{id}",
  tags: ["merchant"],
  summary: "Change a merchant: what is left out stays",
  ...access(OWNER),
  request: { params: idParam, body: jsonBody(updateMerchantSchema) },
  responses: { 200: PROFILE, ...OWNED },
});

const archive = createRoute({
  method: "delete",
  path: "/api/v1/merchants/{id}",
  tags: ["merchant"],
  summary: "Close a merchant for good; its orders stay",
  ...access(OWNER),
  request: { params: idParam },
  responses: { 204: { description: "It is gone from lists and takes no orders" }, ...OWNED },
});

const pause = createRoute({
  method: "post",
  path: "/api/v1/merchants/{id}/pause",
  tags: ["merchant"],
  summary: "Take no orders for some minutes",
  ...access(OWNER),
  request: { params: idParam, body: jsonBody(pauseMerchantSchema) },
  responses: { 200: PROFILE, ...OWNED },
});

const resume = createRoute({
  method: "post",
  path: "/api/v1/merchants/{id}/resume",
  tags: ["merchant"],
  summary: "End a pause",
  ...access(OWNER),
  request: { params: idParam },
  responses: { 200: PROFILE, ...OWNED },
});

const fleet = createRoute({
  method: "put",
  path: "/api/v1/admin/couriers/{id}/fleet",
  tags: ["admin"],
  summary: "Put a courier into a merchant's fleet, or with null out of any",
  ...access({ roles: ["admin"], scope: "any" }),
  request: { params: idParam, body: jsonBody(courierFleetSchema) },
  responses: {
    204: { description: "Done; the matcher follows within seconds" },
    ...problems(
      "request.invalid",
      "auth.required",
      "merchant.not_found",
      "courier.not_found",
    ),
  },
});

/** What the owner of a merchant does with it. */
export function merchantProfileRoutes(deps: GatewayDeps) {
  const routes = createRoutes();
  addCreate(routes, deps);
  addChanges(routes, deps);
  routes.openapi(own, async (c) => {
    const { accountId } = principalOf(c);
    const nowMs = Date.now();
    const items = (await listOwnMerchants(deps.sql, accountId))
      .map((merchant) => merchantProfileJson(merchant, nowMs));
    return c.json({ items }, 200);
  });
  routes.openapi(fleet, async (c) => {
    const { merchantId } = c.req.valid("json");
    if (merchantId !== null && await findMerchant(deps.sql, merchantId) === undefined) {
      throw new ProblemError("merchant.not_found");
    }
    const { id } = c.req.valid("param");
    const entry = {
      action: "courier.fleet_set",
      subject: { kind: "courier", id },
      details: { merchantId },
    };
    if (!await audited(deps, c, entry, (tx) => setCourierFleet(tx, id, merchantId))) {
      throw new ProblemError("courier.not_found");
    }
    return c.body(null, 204);
  });
  return routes;
}

function addCreate(routes: GatewayApp, deps: GatewayDeps): void {
  routes.openapi(create, async (c) => {
    const principal = principalOf(c);
    const { accountId: named, ...values } = c.req.valid("json");
    const accountId = await ownerOf(deps, principal, named);
    const region = await deps.regions.findServing(values.location);
    if (region === undefined) throw outsideArea(values.location);
    const id = uuidv7();
    if (!await insertMerchant(deps.sql, { id, accountId, region: region.id }, values)) {
      throw new ProblemError("catalogue.full", {
        detail: `Cannot open: an account may have ${MAX_MERCHANTS_PER_ACCOUNT} merchants`,
      });
    }
    return c.json(await profileOf(deps, id), 201);
  });
}

function addChanges(routes: GatewayApp, deps: GatewayDeps): void {
  routes.openapi(update, async (c) => {
    const merchant = await requireOwnMerchant(deps, c, c.req.valid("param").id);
    const changes = c.req.valid("json");
    if (changes.location !== undefined) {
      // A merchant does not move to another region: its orders, fees and currency are the region's.
      const region = await deps.regions.find(merchant.region);
      if (region === undefined || !serves(region, changes.location)) {
        throw outsideArea(changes.location, region);
      }
    }
    await updateMerchant(deps.sql, merchant.id, changes);
    return c.json(await profileOf(deps, merchant.id), 200);
  });
  routes.openapi(archive, async (c) => {
    const merchant = await requireOwnMerchant(deps, c, c.req.valid("param").id);
    await archiveMerchant(deps.sql, merchant.id);
    return c.body(null, 204);
  });
  routes.openapi(pause, async (c) => {
    const merchant = await requireOwnMerchant(deps, c, c.req.valid("param").id);
    const untilMs = Date.now() + c.req.valid("json").minutes * 60_000;
    await pauseMerchant(deps.sql, merchant.id, untilMs);
    return c.json(await profileOf(deps, merchant.id), 200);
  });
  routes.openapi(resume, async (c) => {
    const merchant = await requireOwnMerchant(deps, c, c.req.valid("param").id);
    await pauseMerchant(deps.sql, merchant.id, null);
    return c.json(await profileOf(deps, merchant.id), 200);
  });
}

/** Whose a new merchant becomes. @throws ProblemError where the caller may not name that account. */
async function ownerOf(
  deps: GatewayDeps,
  { role, accountId }: { readonly role: string; readonly accountId: string },
  named: string | undefined,
): Promise<string> {
  if (role !== "admin") {
    if (named === undefined || named === accountId) return accountId;
    throw invalidField("accountId", "must be your own: only an admin names another", named);
  }
  if (named !== undefined && await isMerchantAccount(deps.sql, named)) return named;
  throw invalidField("accountId", "must be an account with the role merchant", named);
}

async function profileOf(deps: GatewayDeps, id: string) {
  const merchant = await findMerchant(deps.sql, id);
  if (merchant === undefined) throw new ProblemError("merchant.not_found");
  return merchantProfileJson(merchant, Date.now());
}

function outsideArea({ lat, lon }: Point, region?: Region): ProblemError {
  const area = region === undefined ? "a served area" : `the served area of ${region.name}`;
  return invalidField("location", `must be inside ${area}`, `${lat}, ${lon}`);
}
