import { deepStrictEqual } from "node:assert/strict";
import { presentedCredential } from "./presented_credential.ts";

Deno.test("presentedCredential() tells what a request came with, by its form", () => {
  const cases: [string, Record<string, string>, string][] = [
    ["/", {}, "none"],
    ["/?limit=1", {}, "none"],
    ["/", { authorization: "Bearer abc" }, "session"],
    ["/", { authorization: "bearer a.b.c" }, "access_token"],
    ["/", { authorization: "Bearer hxm_live_x" }, "api_key"],
    ["/", { authorization: "Basic eDp5" }, "api_key"],
    ["/", { "x-tracking-token": "abc", authorization: "Bearer abc" }, "tracking_link"],
    ["/?ticket=abc", {}, "ticket"],
    ["/?id=hxm_live_x&lat=1", {}, "api_key"],
    ["/?id=phone", {}, "none"],
    ["/", { authorization: "Digest x" }, "none"],
  ];
  for (const [path, headers, kind] of cases) {
    const request = new Request(`http://x.test${path}`, { headers });
    deepStrictEqual([path, presentedCredential(request)], [path, kind]);
  }
});
