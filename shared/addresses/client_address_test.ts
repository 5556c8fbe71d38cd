import assert from "node:assert/strict";
import { type AddressBlock, clientAddressOf, parseBlock } from "./client_address.ts";

function blocks(...texts: string[]): AddressBlock[] {
  return texts.map((text) => {
    const block = parseBlock(text);
    assert.ok(block !== undefined, text);
    return block;
  });
}

const PROXIES = blocks("10.0.0.0/8", "fd00::/8");

Deno.test("clientAddressOf() believes the header only from a trusted proxy, and from the right", () => {
  const cases: readonly [string, string | null, string][] = [
    // Straight from a stranger: whatever it claims is not looked at.
    ["203.0.113.7", null, "203.0.113.7"],
    ["203.0.113.7", "198.51.100.1", "203.0.113.7"],
    ["203.0.113.7", "10.0.0.1", "203.0.113.7"],
    // Through one proxy, which appended what it saw.
    ["10.0.0.1", "198.51.100.1", "198.51.100.1"],
    ["10.0.0.1", "6.6.6.6, 198.51.100.1", "198.51.100.1"],
    ["10.0.0.1", "10.6.6.6,198.51.100.1", "198.51.100.1"],
    // Through two.
    ["10.0.0.1", "6.6.6.6, 198.51.100.1, 10.0.0.2", "198.51.100.1"],
    // From inside: the outermost trusted hop.
    ["10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"],
    ["10.0.0.1", null, "10.0.0.1"],
    // Behind something that is no address nothing can be believed.
    ["10.0.0.1", "198.51.100.1, unknown, 10.0.0.2", "10.0.0.2"],
    ["10.0.0.1", "", "10.0.0.1"],
    ["10.0.0.1", "198.51.100.1, 010.0.0.2", "10.0.0.1"],
    // Other spellings of the same.
    ["::ffff:10.0.0.1", "198.51.100.1:4711", "198.51.100.1"],
    ["fd00::1", "[2001:db8::5]:443", "2001:db8:0:0:0:0:0:5"],
    ["10.0.0.1", "2001:0DB8:0:0::5", "2001:db8:0:0:0:0:0:5"],
    ["fe80::1%eth0", "198.51.100.1", "fe80:0:0:0:0:0:0:1"],
    ["unknown", "198.51.100.1", "unknown"],
  ];
  for (const [socket, header, client] of cases) {
    assert.equal(clientAddressOf(socket, header, PROXIES), client, `${socket} ${header}`);
  }
  assert.equal(clientAddressOf("10.0.0.1", "198.51.100.1", []), "10.0.0.1", "nobody is trusted");
});

Deno.test("clientAddressOf() looks at no more than 20 hops, however long the header is", () => {
  const made = Array.from({ length: 100_000 }, () => "10.0.0.9").join(",");
  assert.equal(clientAddressOf("10.0.0.1", `198.51.100.1,${made}`, PROXIES), "10.0.0.9");
});

Deno.test("parseBlock() reads blocks of both families and refuses anything else", () => {
  const bad = [
    "",
    "10.0.0.0/33",
    "10.0.0/8",
    "10.0.0.0/-1",
    "::/129",
    "1.2.3.4/8/8",
    "a",
    "256.1.1.1",
  ];
  const worse = ["1:2:3:4:5:6:7:8:9", "1::2::3", "::1/x", "10.0.0.0/", "1:2:3:4:5:6:7"];
  for (const text of [...bad, ...worse]) assert.equal(parseBlock(text), undefined, text);
  const [one, all, v6] = blocks("192.0.2.1", "0.0.0.0/0", "2001:db8::/32");
  assert.equal(one?.prefix, 32);
  assert.ok(all !== undefined && v6 !== undefined);
  assert.equal(clientAddressOf("8.8.8.8", "1.1.1.1", [all]), "1.1.1.1");
  assert.equal(clientAddressOf("2001:db8:1::1", "1.1.1.1", [v6]), "1.1.1.1");
  assert.equal(clientAddressOf("2001:db9:1::1", "1.1.1.1", [v6]), "2001:db9:1:0:0:0:0:1");
});
