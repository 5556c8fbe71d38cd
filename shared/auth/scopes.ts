import type { Role } from "./principal.ts";

/**
 * What an API key may do. Every operation names one (or says that any key, or none, will do), so
 * the list is total; it stays short because a shop must be able to choose from it.
 */
export const SCOPES = [
  "orders:read",
  "orders:write",
  "merchants:read",
  "merchants:write",
  "couriers:read",
  "couriers:write",
  "positions:write",
] as const;
export type Scope = (typeof SCOPES)[number];

/**
 * Scopes that make sense for a role. An account cannot give a key more than it may do itself, and
 * an admin gives none: what an admin does needs a person.
 */
export const SCOPES_OF_ROLE: Readonly<Record<Role, readonly Scope[]>> = {
  customer: ["orders:read", "orders:write", "merchants:read"],
  courier: ["orders:read", "couriers:read", "couriers:write", "positions:write"],
  merchant: ["orders:read", "orders:write", "merchants:read", "merchants:write"],
  dispatcher: [
    "orders:read",
    "orders:write",
    "merchants:read",
    "couriers:read",
    "couriers:write",
  ],
  admin: [],
};
