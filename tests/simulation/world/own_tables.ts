/** Tables of the simulation's own: where effects leave their traces. No unique rules on purpose. */
import type { Tx } from "shared/sql/connect.ts";

export const OWN_TABLES = ["sim_effects", "sim_fired", "sim_fenced"];

export const OWN_DDL = `
  create table sim_effects (
    id bigint generated always as identity,
    consumer text not null,
    event_id uuid not null,
    key text not null
  );
  create table sim_fired (
    id bigint generated always as identity,
    kind text not null,
    key uuid not null,
    version integer not null
  );
  create table sim_fenced (
    id bigint generated always as identity,
    name text not null,
    fence bigint not null
  );`;

/** The effect that a consumer has: one row per event. */
export async function recordEffect(
  tx: Tx,
  consumer: string,
  event: { readonly id: string; readonly key: string },
): Promise<void> {
  await tx`
    insert into sim_effects (consumer, event_id, key)
    values (${consumer}, ${event.id}, ${event.key})`;
}
