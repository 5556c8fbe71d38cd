import { createRoute, z } from "@hono/zod-openapi";
import {
  findPlanProblem,
  type PlannedShift,
  planShift,
  removeShift,
} from "shared/orders/planned_shifts.ts";
import { ProblemError } from "shared/problem/problem.ts";
import { access, principalOf } from "../access.ts";
import { planShiftSchema, shiftSchema } from "../courier_schemas.ts";
import type { GatewayDeps } from "../deps.ts";
import { answers, createRoutes, jsonBody, problems, throwRefusal } from "../http.ts";
import { idParam, instantSchema, listOf } from "../schemas.ts";
import { listShifts } from "../stores/courier_store.ts";

const MAX_SHIFT_MS = 24 * 60 * 60_000;

const READING = access({ roles: ["courier"], scope: "couriers:read" });
const WORKING = access({ roles: ["courier"], scope: "couriers:write" });

const list = createRoute({
  method: "get",
  path: "/api/v1/courier/shifts",
  tags: ["courier"],
  summary: "Your planned shifts, the next first",
  ...READING,
  request: {
    query: z.strictObject({ from: instantSchema.optional(), to: instantSchema.optional() }),
  },
  responses: {
    200: answers("Shifts that end after `from`, or after now", listOf(shiftSchema)),
    ...problems("request.invalid", "auth.required", "auth.forbidden"),
  },
});

const plan = createRoute({
  method: "post",
  path: "/api/v1/courier/shifts",
  tags: ["courier"],
  summary: "Plan a shift with its breaks",
  description: "A break pauses a courier who is online and its end brings it back; the shift's " +
    "end takes it off. A shift does not bring a courier online.",
  ...WORKING,
  request: { body: jsonBody(planShiftSchema) },
  responses: {
    201: answers("The shift", shiftSchema),
    ...problems("request.invalid", "auth.required", "auth.forbidden", "shift.overlaps"),
  },
});

const remove = createRoute({
  method: "delete",
  path: "/api/v1/courier/shifts/{id}",
  tags: ["courier"],
  summary: "Drop a planned shift",
  ...WORKING,
  request: { params: idParam },
  responses: {
    204: { description: "Dropped" },
    ...problems("request.invalid", "auth.required", "auth.forbidden", "shift.not_found"),
  },
});

/** The courier's planned work. */
export function courierShiftRoutes(deps: GatewayDeps) {
  const routes = createRoutes();
  routes.openapi(list, async (c) => {
    const { accountId } = principalOf(c);
    const shifts = await listShifts(deps.sql, accountId, c.req.valid("query"));
    return c.json({ items: shifts.map(shiftJson) }, 200);
  });
  routes.openapi(plan, async (c) => {
    const { accountId } = principalOf(c);
    const wanted = c.req.valid("json");
    const problem = findPlanProblem(wanted) ?? findLengthProblem(wanted);
    if (problem !== undefined) {
      throw new ProblemError("request.invalid", {
        detail: "Cannot plan the shift: its times must fit",
        errors: [problem],
      });
    }
    const outcome = await planShift(deps.sql, accountId, wanted);
    if (!outcome.ok) throwRefusal(outcome);
    return c.json(shiftJson(outcome.value), 201);
  });
  routes.openapi(remove, async (c) => {
    const { accountId } = principalOf(c);
    const removed = await removeShift(deps.sql, accountId, c.req.valid("param").id);
    if (!removed) throw new ProblemError("shift.not_found");
    return c.body(null, 204);
  });
  return routes;
}

function findLengthProblem({ startsAt, endsAt }: { startsAt: string; endsAt: string }) {
  const isTooLong = Date.parse(endsAt) - Date.parse(startsAt) > MAX_SHIFT_MS;
  return isTooLong
    ? { field: "endsAt", bound: "must be at most 24 h after startsAt", value: endsAt }
    : undefined;
}

function shiftJson({ breaks, ...shift }: PlannedShift) {
  return { ...shift, breaks: breaks.map((span) => ({ ...span })) };
}
