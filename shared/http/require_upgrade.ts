import { type FieldProblem, ProblemError } from "shared/problem/problem.ts";

/** Sixteen bytes in Base64 (RFC 6455 §4.1). */
const KEY = /^[A-Za-z0-9+/]{22}==$/;

/** Whether a request asks for a WebSocket at all. */
export function isUpgrade(request: Request): boolean {
  return request.headers.get("upgrade")?.toLowerCase() === "websocket";
}

/**
 * That a request is the opening handshake of a WebSocket (RFC 6455 §4.2.1). The runtime throws at
 * some handshakes that are none and takes others.
 *
 * @throws ProblemError that names the headers that are not as they must be.
 */
export function requireUpgrade(request: Request): void {
  const { headers } = request;
  const errors: FieldProblem[] = [];
  const expect = (field: string, bound: string, isRight: (value: string) => boolean) => {
    const value = headers.get(field);
    if (value !== null && isRight(value)) return;
    errors.push({ field, bound, ...(value === null ? {} : { value }) });
  };
  expect("upgrade", "must be websocket", () => isUpgrade(request));
  expect(
    "connection",
    "must have upgrade",
    (value) => value.toLowerCase().split(",").some((token) => token.trim() === "upgrade"),
  );
  expect("sec-websocket-version", "must be 13", (value) => value.trim() === "13");
  expect("sec-websocket-key", "must be 16 bytes in Base64", (value) => KEY.test(value.trim()));
  if (errors.length > 0) throw new ProblemError("request.invalid", { errors });
}
