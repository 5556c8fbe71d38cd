/** Who is asking, and with what. */
import { z } from "zod";
import { SCOPES } from "./scopes.ts";

export const ROLES = ["customer", "courier", "merchant", "dispatcher", "admin"] as const;
export type Role = (typeof ROLES)[number];

/** In test mode nothing reaches the street: a robot carries what was ordered. */
export const MODES = ["live", "test"] as const;
export type Mode = (typeof MODES)[number];

const credential = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("session"), sessionId: z.uuid() }),
  z.object({ kind: z.literal("access_token"), sessionId: z.uuid() }),
  z.object({
    kind: z.literal("api_key"),
    keyId: z.uuid(),
    scopes: z.array(z.enum(SCOPES)),
    /** The key's own limit; null takes the default. */
    requestsPerMinute: z.int().nullable(),
    /** Set for the key of a device that travels with one order: it opens nothing else. */
    orderId: z.uuid().optional(),
  }),
]);

/** An account and the credential that speaks for it. */
export const principalSchema = z.object({
  accountId: z.uuid(),
  role: z.enum(ROLES),
  mode: z.enum(MODES),
  credential,
});

export type Credential = z.infer<typeof credential>;
export type Principal = z.infer<typeof principalSchema>;

/** What a revocation names: the session (also of an access token made from it) or the key. */
export function credentialId(credential: Credential): string {
  return credential.kind === "api_key" ? credential.keyId : credential.sessionId;
}
