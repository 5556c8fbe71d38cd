import assert from "node:assert/strict";
import { addressSubject } from "./address.ts";

Deno.test("addressSubject() is the IPv4 address, also where it comes mapped into IPv6", () => {
  assert.equal(addressSubject("192.0.2.7"), "192.0.2.7");
  assert.equal(addressSubject("::ffff:192.0.2.7"), "192.0.2.7");
});

Deno.test("addressSubject() is one for all addresses of an IPv6 /64, and another for the next", () => {
  const subject = "2001:db8:0:1::/64";
  for (
    const address of [
      "2001:db8:0:1::1",
      "2001:DB8:0:1:ffff:ffff:ffff:ffff",
      "2001:0db8:0000:0001:0000:0000:0000:0002",
      "2001:db8:0:1::5%eth0",
    ]
  ) assert.equal(addressSubject(address), subject, address);
  assert.notEqual(addressSubject("2001:db8:0:2::1"), subject);
  assert.equal(addressSubject("::1"), "0:0:0:0::/64");
});

Deno.test("addressSubject() takes what is no address for one and the same stranger", () => {
  for (const text of ["unknown", "", "a}:{b", "1::2::3", "10.0.0.1, 10.0.0.2", "x".repeat(5_000)]) {
    assert.equal(addressSubject(text), "unknown", text);
  }
});
