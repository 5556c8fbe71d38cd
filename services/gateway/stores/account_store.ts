import type { Role } from "shared/auth/principal.ts";
import { isSqlState, type Queryable, type Sql, SQLSTATE, type Tx } from "shared/sql/connect.ts";

export interface Account {
  readonly id: string;
  readonly role: Role;
  readonly name: string;
  readonly email: string;
}

/** An account as an admin sees it. */
export interface ManagedAccount extends Account {
  readonly createdAt: Date;
  readonly suspendedAt: Date | null;
}

/** With what a sign-in needs. */
export interface AccountSecret extends Account {
  readonly passwordHash: string;
  readonly suspendedAt: Date | null;
}

export interface NewAccount extends Account {
  readonly passwordHash: string;
}

export interface NewCourier {
  readonly region: string;
  readonly shard: number;
  readonly vehicle: string;
}

/**
 * Stores an account (and the courier it is), and whatever belongs to the same transaction;
 * undefined when the e-mail is taken.
 */
export async function insertAccount<T>(
  sql: Sql,
  account: NewAccount,
  courier: NewCourier | undefined,
  within: (tx: Tx) => Promise<T>,
): Promise<T | undefined> {
  const { id, role, name, email, passwordHash } = account;
  try {
    return await sql.begin(async (tx) => {
      await tx`
        insert into accounts (id, role, name, email, password_hash)
        values (${id}, ${role}, ${name}, ${email}, ${passwordHash})`;
      if (courier !== undefined) {
        await tx`
          insert into couriers (id, region, shard, vehicle)
          values (${id}, ${courier.region}, ${courier.shard}, ${courier.vehicle})`;
      }
      return await within(tx);
    });
  } catch (error) {
    if (isSqlState(error, SQLSTATE.uniqueViolation)) return undefined;
    throw error;
  }
}

export async function findAccountByEmail(
  sql: Queryable,
  email: string,
): Promise<AccountSecret | undefined> {
  const rows = await sql<AccountSecret[]>`
    select id, role, name, email, password_hash, suspended_at from accounts where email = ${email}`;
  return rows[0];
}

export async function findAccountSecret(
  sql: Queryable,
  id: string,
): Promise<AccountSecret | undefined> {
  const rows = await sql<AccountSecret[]>`
    select id, role, name, email, password_hash, suspended_at from accounts where id = ${id}`;
  return rows[0];
}

export async function findAccount(sql: Queryable, id: string): Promise<Account | undefined> {
  const rows = await sql<Account[]>`select id, role, name, email from accounts where id = ${id}`;
  return rows[0];
}

/** Gives an account another password, if it still has the one that was verified. */
export async function replacePassword(
  tx: Tx,
  id: string,
  hashes: { readonly from: string; readonly to: string },
): Promise<boolean> {
  const changed = await tx`
    update accounts set password_hash = ${hashes.to}
    where id = ${id} and password_hash = ${hashes.from} and suspended_at is null`;
  return changed.count === 1;
}

export interface AccountQuery {
  readonly role?: Role | undefined;
  readonly beforeId?: string | undefined;
  readonly limit: number;
}

/** Accounts, the newest first. */
export async function listAccounts(sql: Queryable, query: AccountQuery): Promise<ManagedAccount[]> {
  const { role = null, beforeId = null, limit } = query;
  return await sql<ManagedAccount[]>`
    select id, role, name, email, created_at, suspended_at from accounts
    where (${role}::text is null or role = ${role}) and (${beforeId}::uuid is null or id < ${beforeId})
    order by id desc limit ${limit}`;
}

/** Suspends an account or ends its suspension; undefined when there is none. */
export async function setSuspended(
  tx: Tx,
  id: string,
  isSuspended: boolean,
): Promise<(ManagedAccount & { readonly changed: boolean }) | undefined> {
  const changed = await tx`
    update accounts set suspended_at = case when ${isSuspended} then clock_timestamp() end
    where id = ${id} and (suspended_at is not null) <> ${isSuspended}`;
  const [account] = await tx<ManagedAccount[]>`
    select id, role, name, email, created_at, suspended_at from accounts where id = ${id}`;
  return account === undefined ? undefined : { ...account, changed: changed.count === 1 };
}
