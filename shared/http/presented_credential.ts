/** With what a request came to show who asks, told by its form alone: for counting refusals. Pure. */

export const CREDENTIAL_KINDS = [
  "none",
  "session",
  "access_token",
  "api_key",
  "ticket",
  "tracking_link",
] as const;
export type CredentialKind = (typeof CREDENTIAL_KINDS)[number];

/** The kind of credential of a request; whether it opens anything is not looked at. */
export function presentedCredential({ headers, url }: Request): CredentialKind {
  if (headers.has("x-tracking-token")) return "tracking_link";
  const [scheme = "", token = ""] = (headers.get("authorization") ?? "").split(" ");
  switch (scheme.toLowerCase()) {
    case "bearer":
      if (token.startsWith("hxm_")) return "api_key";
      return token.split(".").length === 3 ? "access_token" : "session";
    case "basic":
      // Apps of devices: the password is a key.
      return "api_key";
    default:
      return inUrl(url);
  }
}

function inUrl(url: string): CredentialKind {
  const at = url.indexOf("?");
  if (at < 0) return "none";
  const query = new URLSearchParams(url.slice(at));
  if (query.has("ticket")) return "ticket";
  return (query.get("id") ?? "").startsWith("hxm_") ? "api_key" : "none";
}
