import type { Role } from "shared/auth/principal.ts";
import { isSqlState, type Queryable, type Sql, SQLSTATE } from "shared/sql/connect.ts";

export interface Account {
  readonly id: string;
  readonly role: Role;
  readonly name: string;
  readonly email: string;
}

export interface NewAccount extends Account {
  readonly passwordHash: string;
}

export interface NewCourier {
  readonly region: string;
  readonly shard: number;
  readonly vehicle: string;
}

/** Stores an account (and the courier it is); false when the e-mail is taken. */
export async function insertAccount(
  sql: Sql,
  account: NewAccount,
  courier?: NewCourier,
): Promise<boolean> {
  try {
    await sql.begin(async (tx) => {
      await tx`
        insert into accounts (id, role, name, email, password_hash) values
          (${account.id}, ${account.role}, ${account.name}, ${account.email}, ${account.passwordHash})`;
      if (courier !== undefined) {
        await tx`
          insert into couriers (id, region, shard, vehicle)
          values (${account.id}, ${courier.region}, ${courier.shard}, ${courier.vehicle})`;
      }
    });
    return true;
  } catch (error) {
    if (isSqlState(error, SQLSTATE.uniqueViolation)) return false;
    throw error;
  }
}

export async function findAccountByEmail(
  sql: Queryable,
  email: string,
): Promise<(Account & { passwordHash: string }) | undefined> {
  const rows = await sql<(Account & { passwordHash: string })[]>`
    select id, role, name, email, password_hash from accounts where email = ${email}`;
  return rows[0];
}

export async function findAccount(sql: Queryable, id: string): Promise<Account | undefined> {
  const rows = await sql<Account[]>`select id, role, name, email from accounts where id = ${id}`;
  return rows[0];
}
