/**
 * Planned shifts and their breaks. Their ends are timers: a break pauses the courier, its end
 * brings the courier back, the shift's end takes it off. A courier who is offline stays so.
 */
import { uuidv7 } from "shared/ids/uuid.ts";
import type { Sql, Tx } from "shared/sql/connect.ts";
import { endShiftIn, goOnlineIn, pauseShiftIn } from "./courier_shift.ts";
import { lockCourier } from "./locks.ts";
import { type Outcome, refuse, succeed } from "./refusal.ts";

/** Why a courier is paused during a planned break; only then the break's end ends the pause. */
const ON_BREAK = "break";

export interface Span {
  readonly startsAt: string;
  readonly endsAt: string;
}

/** A shift as it is planned; its breaks lie inside it and do not overlap. */
export interface ShiftPlan extends Span {
  readonly breaks: readonly Span[];
}

export interface PlannedShift extends ShiftPlan {
  readonly id: string;
}

/** What is wrong with a plan, as field and bound; undefined when nothing is. */
export function findPlanProblem(plan: ShiftPlan): { field: string; bound: string } | undefined {
  if (Date.parse(plan.endsAt) <= Date.parse(plan.startsAt)) {
    return { field: "endsAt", bound: "must be after startsAt" };
  }
  let fromMs = Date.parse(plan.startsAt);
  for (const [index, { startsAt, endsAt }] of plan.breaks.entries()) {
    if (Date.parse(startsAt) < fromMs || Date.parse(endsAt) <= Date.parse(startsAt)) {
      return {
        field: `breaks.${index}`,
        bound: "must lie inside the shift, after the break before it, and end after it starts",
      };
    }
    fromMs = Date.parse(endsAt);
  }
  return fromMs <= Date.parse(plan.endsAt)
    ? undefined
    : { field: `breaks.${plan.breaks.length - 1}`, bound: "must end within the shift" };
}

/** Stores a shift with its timers. Two shifts of a courier never overlap. */
export async function planShift(
  sql: Sql,
  courierId: string,
  plan: ShiftPlan,
): Promise<Outcome<PlannedShift>> {
  return await sql.begin(async (tx) => {
    // The courier's lock makes two plans take turns.
    if (await lockCourier(tx, courierId) === undefined) return refuse("courier.not_found");
    const { startsAt, endsAt, breaks } = plan;
    const [other] = await tx<{ id: string }[]>`
      select id from courier_shifts
      where courier_id = ${courierId} and starts_at < ${endsAt} and ends_at > ${startsAt}
      order by starts_at limit 1`;
    if (other !== undefined) {
      return refuse(
        "shift.overlaps",
        "Cannot plan: a courier's shifts must not overlap",
        { shiftId: other.id },
      );
    }
    const id = uuidv7();
    await tx`
      insert into courier_shifts (id, courier_id, starts_at, ends_at, breaks)
      values (${id}, ${courierId}, ${startsAt}, ${endsAt}, ${tx.json(breaks)})`;
    await tx`
      insert into timers (kind, key, version, due_at)
      values ('shift.end', ${id}, 1, ${endsAt}::timestamptz)`;
    for (const [index, span] of breaks.entries()) {
      await tx`
        insert into timers (kind, key, version, due_at)
        values ('shift.break_start', ${id}, ${index}, ${span.startsAt}::timestamptz),
          ('shift.break_end', ${id}, ${index}, ${span.endsAt}::timestamptz)`;
    }
    return succeed({ id, startsAt, endsAt, breaks });
  });
}

/** Removes a shift; its timers then find nothing. False when the courier has no such shift. */
export async function removeShift(sql: Sql, courierId: string, shiftId: string): Promise<boolean> {
  const rows = await sql`
    delete from courier_shifts where id = ${shiftId} and courier_id = ${courierId} returning 1`;
  return rows.length > 0;
}

/** A planned break begins. */
export async function startBreak(tx: Tx, shiftId: string): Promise<void> {
  const courierId = await courierOf(tx, shiftId);
  if (courierId === undefined) return;
  // Refused where the courier is offline: then there is nothing to pause.
  await pauseShiftIn(tx, courierId, ON_BREAK);
}

/** A planned break ends: back to work, unless the courier paused or left by itself. */
export async function endBreak(tx: Tx, shiftId: string): Promise<void> {
  const courierId = await courierOf(tx, shiftId);
  if (courierId === undefined) return;
  const [courier] = await tx<{ pauseReason: string | null }[]>`
    select pause_reason from couriers where id = ${courierId}`;
  if (courier?.pauseReason !== ON_BREAK) return;
  await goOnlineIn(tx, courierId);
}

/** A planned shift ends. */
export async function endShift(tx: Tx, shiftId: string): Promise<void> {
  const courierId = await courierOf(tx, shiftId);
  if (courierId !== undefined) await endShiftIn(tx, courierId);
}

async function courierOf(tx: Tx, shiftId: string): Promise<string | undefined> {
  const [shift] = await tx<{ courierId: string }[]>`
    select courier_id from courier_shifts where id = ${shiftId}`;
  return shift?.courierId;
}
