import type { z } from "@hono/zod-openapi";
import type { ApiKeyView } from "shared/auth/api_keys.ts";
import type { apiKeySchema } from "./identity_schemas.ts";

/** A key as its owner sees it. */
export function keyJson(view: ApiKeyView): z.infer<typeof apiKeySchema> {
  return {
    ...view,
    scopes: [...view.scopes],
    createdAt: view.createdAt.toISOString(),
    expiresAt: view.expiresAt?.toISOString() ?? null,
    revokedAt: view.revokedAt?.toISOString() ?? null,
    lastUsedAt: view.lastUsedAt?.toISOString() ?? null,
  };
}
