import assert from "node:assert/strict";
import { pathOf } from "./path_of.ts";

Deno.test("pathOf() finds what the URL parser finds, for URLs as servers make them", () => {
  for (
    const url of [
      "http://127.0.0.1:8081/",
      "http://127.0.0.1:8081/api/v1/courier/location",
      "http://127.0.0.1:8081/api/v1/devices/osmand?id=a/b?c",
      "https://host/a//b",
      "http://[::1]:1/x?",
    ]
  ) assert.equal(pathOf(url), new URL(url).pathname);
  assert.equal(pathOf("http://host"), "/");
});
