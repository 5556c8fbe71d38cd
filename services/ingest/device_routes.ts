/**
 * Phone apps of others, which know no sessions: each sends the key of its device (an API key of the
 * courier with `positions:write`, or one that is bound to an order), as the password of Basic
 * authentication or in its own field.
 */
import { isApiKey } from "shared/auth/api_keys.ts";
import type { Principal } from "shared/auth/principal.ts";
import { bearerToken } from "shared/auth/sessions.ts";
import { ProblemError } from "shared/problem/problem.ts";
import { queryOf } from "shared/service/path_of.ts";
import { answerOne } from "./answers.ts";
import {
  type DeviceMessage,
  fixesOf,
  readOsmAnd,
  readOwnTracks,
  readTraccar,
} from "./device_formats.ts";
import { MAX_FIX_BYTES, record } from "./post_positions.ts";
import { parseJson, readText } from "./read_body.ts";
import type { Sender } from "./post_positions.ts";

/** What a device can do nothing about: it is told that all is well, or it would repeat for ever. */
const NOT_TO_BE_REPEATED = new Set(["courier.off_shift", "courier.not_found"]);

export interface DeviceDeps {
  findPrincipal(token: string): Promise<Principal | undefined>;
  /** @throws ProblemError for whom positions are not taken from. */
  senderOf(principal: Principal | undefined): Sender;
}

/** A message of an OwnTracks app in HTTP mode. The answer is a list of what it should know: none. */
export async function postOwnTracks(
  deps: DeviceDeps,
  request: Request,
): Promise<Response> {
  const sender = await senderOf(deps, keyOfHeader(request));
  const text = await readText(request, MAX_FIX_BYTES);
  // The app posts nothing when a friend is deleted.
  const message: DeviceMessage = text === "" ? { kind: "other" } : readOwnTracks(parseJson(text));
  await take(sender, message);
  return Response.json([]);
}

/** A message of OsmAnd or of a Traccar Client. Only the status of the answer is read. */
export async function takeOsmAnd(
  deps: DeviceDeps,
  request: Request,
): Promise<Response> {
  const query = queryOf(request.url);
  const text = request.method === "POST" ? await readText(request, MAX_FIX_BYTES) : "";
  const isJson = text.trimStart().startsWith("{");
  const traccar = isJson ? readTraccar(parseJson(text)) : undefined;
  if (isJson && traccar === undefined) {
    throw new ProblemError("request.invalid", {
      errors: [{ field: "device_id", bound: "must be the key of a device" }],
    });
  }
  const fields = text === "" || isJson ? query : new URLSearchParams(text);
  const key = traccar?.deviceId ?? fields.get("id") ?? fields.get("deviceid") ??
    query.get("id") ?? undefined;
  const sender = await senderOf(deps, key);
  await take(sender, traccar?.message ?? readOsmAnd(fields, Date.now()));
  return new Response("", { status: 200 });
}

/** Only keys: a session's token must not stand in an app's settings or in a URL. */
async function senderOf(deps: DeviceDeps, key: string | undefined): Promise<Sender> {
  if (key === undefined || !isApiKey(key)) throw new ProblemError("auth.required");
  return deps.senderOf(await deps.findPrincipal(key));
}

/** The key in `Authorization`: as Bearer, or as the password of Basic (RFC 7617). */
function keyOfHeader(request: Request): string | undefined {
  const header = request.headers.get("authorization");
  const basic = /^Basic ([A-Za-z0-9+/]{1,1024}={0,2})$/.exec(header ?? "")?.[1];
  if (basic === undefined) return bearerToken(header);
  try {
    const pair = atob(basic);
    return pair.slice(pair.indexOf(":") + 1);
  } catch {
    return undefined;
  }
}

async function take(sender: Sender, message: DeviceMessage): Promise<void> {
  if (message.kind === "other") return;
  if (message.kind === "fix" && !message.parsed.ok) {
    throw new ProblemError("request.invalid", { errors: message.parsed.errors });
  }
  try {
    answerOne(await record(sender, fixesOf(message)));
  } catch (error) {
    if (!(error instanceof ProblemError) || !NOT_TO_BE_REPEATED.has(error.code)) throw error;
  }
}
