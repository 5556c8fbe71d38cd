import assert from "node:assert/strict";
import { pathOf, queryOf } from "./path_of.ts";

Deno.test("pathOf() and queryOf() find what the URL parser finds, for URLs as servers make them", () => {
  for (
    const url of [
      "http://127.0.0.1:8081/",
      "http://127.0.0.1:8081/api/v1/courier/location",
      "http://127.0.0.1:8081/api/v1/devices/osmand?id=a/b?c",
      "http://127.0.0.1:8081/a?id=%C3%B6+%26&id=2&=&x",
      "https://host/a//b",
      "http://[::1]:1/x?",
      "http://host/%zz?%ff=%",
    ]
  ) {
    assert.equal(pathOf(url), new URL(url).pathname);
    assert.equal(queryOf(url).toString(), new URL(url).searchParams.toString());
  }
  assert.equal(pathOf("http://host"), "/");
});

Deno.test("pathOf() and queryOf() do not look at the host, which a client may have made up", () => {
  for (const host of ["[::::", "a b", "x:99999999", "", "%00"]) {
    assert.equal(URL.canParse(`http://${host}/`), false, host);
    assert.equal(pathOf(`http://${host}/api/v1/x?y=1`), "/api/v1/x");
    assert.equal(queryOf(`http://${host}/api/v1/x?y=1`).get("y"), "1");
  }
});
