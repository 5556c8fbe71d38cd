import {
  accessTokenSchema,
  accountSchema,
  apiKeySchema,
  auditEntrySchema,
  createdApiKeySchema,
  jwksSchema,
  loginSchema,
  managedAccountSchema,
  newApiKeySchema,
  newDeviceKeySchema,
  newStaffSchema,
  ownSessionSchema,
  passwordSchema,
  refreshedSchema,
  registerSchema,
  rotatedKeySchema,
  rotateKeySchema,
  sessionSchema,
} from "../identity_schemas.ts";
import { type Example, example, examples, ID, SECRET } from "./example.ts";

const ACCOUNT = {
  id: ID.account,
  role: "customer",
  name: "Ann Lind",
  email: "ann@example.com",
} as const;
const PASSWORD = "a long password";

const API_KEY = {
  id: ID.key,
  name: "Till 1",
  mode: "live" as const,
  prefix: "k3v9x2m1",
  scopes: ["orders:read" as const, "orders:write" as const],
  requestsPerMinute: 600,
  createdAt: "2026-03-02T09:00:00.000Z",
  expiresAt: null,
  revokedAt: null,
  lastUsedAt: "2026-03-02T11:58:30.000Z",
};

export const IDENTITY_EXAMPLES: Readonly<Record<string, Example>> = {
  Register: examples(registerSchema, {
    customer: { role: "customer", email: "ann@example.com", password: PASSWORD, name: "Ann Lind" },
    merchant: { role: "merchant", email: "shop@example.com", password: PASSWORD, name: "Shop" },
    courier: {
      role: "courier",
      email: "bo@example.com",
      password: PASSWORD,
      name: "Bo Ek",
      vehicle: "bicycle",
      regionId: "gothenburg",
    },
  }),
  Login: example(loginSchema, { email: "ann@example.com", password: PASSWORD }),
  PasswordChange: example(passwordSchema, {
    currentPassword: PASSWORD,
    newPassword: "an even longer password",
  }),
  Account: example(accountSchema, ACCOUNT),
  Session: example(sessionSchema, {
    account: ACCOUNT,
    token: SECRET,
    expiresAt: "2026-03-03T12:00:00.000Z",
  }),
  RefreshedSession: example(refreshedSchema, {
    token: SECRET,
    expiresAt: "2026-03-04T12:00:00.000Z",
  }),
  OwnSession: example(ownSessionSchema, {
    id: ID.session,
    createdAt: "2026-03-02T12:00:00.000Z",
    expiresAt: "2026-03-03T12:00:00.000Z",
    userAgent: "Mozilla/5.0",
    current: true,
  }),
  AccessToken: example(accessTokenSchema, {
    accessToken: "header.payload.signature",
    tokenType: "Bearer",
    expiresAt: "2026-03-02T12:04:00.000Z",
  }),
  JsonWebKeySet: example(jwksSchema, {
    keys: [{
      kty: "OKP",
      crv: "Ed25519",
      x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
      kid: "2026-03-01-a",
      alg: "EdDSA",
      use: "sig",
    }],
  }),
  NewApiKey: example(newApiKeySchema, {
    name: "Till 1",
    mode: "live",
    scopes: ["orders:read", "orders:write"],
    requestsPerMinute: 600,
  }),
  NewDeviceKey: example(newDeviceKeySchema, { name: "Tracker 7, in the box" }),
  ApiKey: example(apiKeySchema, API_KEY),
  CreatedApiKey: example(createdApiKeySchema, {
    ...API_KEY,
    lastUsedAt: null,
    key: `hxm_live_k3v9x2m1_${SECRET}`,
  }),
  NewStaffAccount: example(newStaffSchema, {
    role: "dispatcher",
    email: "desk@example.com",
    password: PASSWORD,
    name: "Dispatch desk",
  }),
  ManagedAccount: example(managedAccountSchema, {
    ...ACCOUNT,
    createdAt: "2026-03-02T09:00:00.000Z",
    suspendedAt: null,
  }),
  AuditEntry: example(auditEntrySchema, {
    id: ID.event,
    at: "2026-03-02T12:00:00.000Z",
    actorAccountId: ID.account,
    credentialKind: "session",
    credentialId: ID.session,
    action: "api_key.created",
    subjectKind: "api_key",
    subjectId: ID.key,
    details: { mode: "live", scopes: ["orders:read"] },
    clientAddress: "203.0.113.7",
    requestId: ID.request,
  }),
  RotateSigningKey: example(rotateKeySchema, { compromised: false }),
  RotatedSigningKey: example(rotatedKeySchema, { kid: "2026-03-02-b" }),
};
