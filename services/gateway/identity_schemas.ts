/** The shapes of identity: accounts, sessions, tokens, keys, audit. */
import { z } from "@hono/zod-openapi";
import { MODES, ROLES } from "shared/auth/principal.ts";
import { SCOPES } from "shared/auth/scopes.ts";
import { VEHICLES } from "shared/streets/vehicle.ts";
import { idSchema, instantSchema, words } from "./schemas.ts";

const MAX_NAME = 100;
/** Argon2 takes any length; the bound keeps a megabyte from being hashed. */
const MAX_PASSWORD = 256;
const MIN_PASSWORD = 10;
const MAX_REQUESTS_PER_MINUTE = 1_000_000;
/** A key that should end gets an end; none beyond this can be meant. */
const MAX_KEY_YEARS = 5;

const email = z.string().max(254).pipe(z.email()).transform((text) => text.toLowerCase());
const name = words(MAX_NAME).trim().min(1);
const newPassword = z.string().min(MIN_PASSWORD).max(MAX_PASSWORD);
const presentPassword = z.string().min(1).max(MAX_PASSWORD);

export const registerSchema = z.discriminatedUnion("role", [
  z.strictObject({ role: z.enum(["customer", "merchant"]), email, password: newPassword, name }),
  z.strictObject({
    role: z.literal("courier"),
    email,
    password: newPassword,
    name,
    vehicle: z.enum(VEHICLES),
    regionId: z.string().min(1).max(41),
  }),
]).openapi("Register");

export const loginSchema = z.strictObject({ email, password: presentPassword }).openapi("Login");

export const passwordSchema = z.strictObject({
  currentPassword: presentPassword,
  newPassword,
}).openapi("PasswordChange");

export const accountSchema = z.object({
  id: idSchema,
  role: z.enum(ROLES),
  name: z.string(),
  email: z.string(),
}).openapi("Account");

export const sessionSchema = z.object({
  account: accountSchema,
  token: z.string(),
  expiresAt: instantSchema,
}).openapi("Session");

export const refreshedSchema = z.object({
  token: z.string(),
  expiresAt: instantSchema,
}).openapi("RefreshedSession");

export const ownSessionSchema = z.object({
  id: idSchema,
  createdAt: instantSchema,
  expiresAt: instantSchema,
  userAgent: z.string().nullable(),
  /** Whether it is the one that asks. */
  current: z.boolean(),
}).openapi("OwnSession");

export const accessTokenSchema = z.object({
  accessToken: z.string(),
  tokenType: z.literal("Bearer"),
  expiresAt: instantSchema,
}).openapi("AccessToken");

export const jwksSchema = z.object({
  keys: z.array(z.object({
    kty: z.string(),
    crv: z.string(),
    x: z.string(),
    kid: z.string(),
    alg: z.string(),
    use: z.string(),
  })),
}).openapi("JsonWebKeySet");

export const newApiKeySchema = z.strictObject({
  name,
  mode: z.enum(MODES),
  scopes: z.array(z.enum(SCOPES)).min(1).max(SCOPES.length)
    .refine((scopes) => new Set(scopes).size === scopes.length, { message: "must not repeat" }),
  requestsPerMinute: z.int().min(1).max(MAX_REQUESTS_PER_MINUTE).optional(),
  expiresAt: z.iso.datetime({ offset: true }).refine(isInReach, {
    message: `must be in the future, at most ${MAX_KEY_YEARS} years`,
  }).optional(),
}).openapi("NewApiKey");

/** For a device that travels with an order; what it may do and how long is given. */
export const newDeviceKeySchema = z.strictObject({ name }).openapi("NewDeviceKey");

/** Text that is no date has its own problem. */
function isInReach(expiresAt: string): boolean {
  const restMs = Date.parse(expiresAt) - Date.now();
  return Number.isNaN(restMs) || restMs > 0 && restMs <= MAX_KEY_YEARS * 366 * 86_400_000;
}

export const apiKeySchema = z.object({
  id: idSchema,
  name: z.string(),
  mode: z.enum(MODES),
  prefix: z.string(),
  scopes: z.array(z.enum(SCOPES)),
  requestsPerMinute: z.int().nullable(),
  createdAt: instantSchema,
  expiresAt: instantSchema.nullable(),
  revokedAt: instantSchema.nullable(),
  lastUsedAt: instantSchema.nullable(),
}).openapi("ApiKey");

export const createdApiKeySchema = apiKeySchema.extend({
  /** The whole key; in this answer only. */
  key: z.string(),
}).openapi("CreatedApiKey");

export const newStaffSchema = z.strictObject({
  role: z.enum(["dispatcher", "admin"]),
  email,
  password: newPassword,
  name,
}).openapi("NewStaffAccount");

export const managedAccountSchema = accountSchema.extend({
  createdAt: instantSchema,
  suspendedAt: instantSchema.nullable(),
}).openapi("ManagedAccount");

export const auditEntrySchema = z.object({
  id: idSchema,
  at: instantSchema,
  actorAccountId: idSchema.nullable(),
  credentialKind: z.string().nullable(),
  credentialId: idSchema.nullable(),
  action: z.string(),
  subjectKind: z.string().nullable(),
  subjectId: z.string().nullable(),
  details: z.record(z.string(), z.unknown()),
  clientAddress: z.string().nullable(),
  requestId: idSchema.nullable(),
}).openapi("AuditEntry");

export const rotateKeySchema = z.strictObject({
  /** True: the present keys are refused within a minute, and so is every token they signed. */
  compromised: z.boolean(),
}).openapi("RotateSigningKey");

export const rotatedKeySchema = z.object({ kid: z.string() }).openapi("RotatedSigningKey");
