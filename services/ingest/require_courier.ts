import type { Principal } from "shared/auth/principal.ts";
import { bearerToken } from "shared/auth/sessions.ts";
import { ProblemError } from "shared/problem/problem.ts";

const SCOPE = "positions:write";

/**
 * The courier who sends: by session, by access token, or by the key of a device.
 *
 * @throws ProblemError for anybody else. A test key sends nothing: its courier is a robot, and a
 *   real one's position must not come from a test.
 */
export async function requireCourier(
  request: Request,
  find: (token: string) => Promise<Principal | undefined>,
): Promise<Principal> {
  const token = bearerToken(request.headers.get("authorization"));
  return requireSender(token === undefined ? undefined : await find(token));
}

/**
 * The same for a principal that was found before.
 *
 * @throws ProblemError for anybody but a courier who may send positions.
 */
export function requireSender(principal: Principal | undefined): Principal {
  if (principal === undefined) throw new ProblemError("auth.required");
  const { role, mode, credential } = principal;
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
