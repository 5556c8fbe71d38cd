import type { Principal } from "shared/auth/principal.ts";
import { ProblemError } from "shared/problem/problem.ts";
import type { ParcelDevice } from "./parcel_recorder.ts";

const SCOPE = "positions:write";

/** The device of a key that is bound to one order; undefined for any other principal. */
export function deviceOf(principal: Principal | undefined): ParcelDevice | undefined {
  const credential = principal?.credential;
  if (credential?.kind !== "api_key" || credential.orderId === undefined) return undefined;
  // Such a key has this scope or none.
  if (!credential.scopes.includes(SCOPE)) return undefined;
  return { orderId: credential.orderId, keyId: credential.keyId };
}

/**
 * The courier who sends: by session, by access token, or by the key of a device.
 *
 * @throws ProblemError for anybody else. A test key sends nothing: its courier is a robot, and a
 *   real one's position must not come from a test.
 */
export function requireSender(principal: Principal | undefined): Principal {
  if (principal === undefined) throw new ProblemError("auth.required");
  const { role, mode, credential } = principal;
  if (credential.kind === "api_key" && credential.orderId !== undefined) {
    throw new ProblemError("auth.forbidden", {
      detail: "Cannot send positions of a courier: the key belongs to a device of one order",
    });
  }
  if (role !== "courier") {
    throw new ProblemError("auth.forbidden", {
      detail: `Cannot send positions: role must be courier: it is ${role}`,
    });
  }
  if (mode !== "live") {
    throw new ProblemError("auth.forbidden", {
      detail: `Cannot send positions: the key's mode must be live: it is ${mode}`,
    });
  }
  if (credential.kind === "api_key" && !credential.scopes.includes(SCOPE)) {
    throw new ProblemError("auth.scope_missing", {
      detail: `Cannot send positions: the key's scopes must include ${SCOPE}: they are ${
        credential.scopes.join(", ")
      }`,
    });
  }
  return principal;
}
