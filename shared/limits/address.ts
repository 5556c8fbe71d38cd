/** Bits of an IPv6 address that one customer of a network gets (RFC 6177): the rest is free to vary. */
const IPV6_GROUPS = 4;

/**
 * The part of an address that a limit counts by: an IPv4 address itself, the /64 of an IPv6 one.
 * What is no address is one subject of its own, so that nobody escapes a limit by being odd.
 */
export function addressSubject(address: string): string {
  const bare = address.replace(/%.*$/, "").toLowerCase();
  const v4 = /^(?:::ffff:)?(\d{1,3}(?:\.\d{1,3}){3})$/.exec(bare)?.[1];
  if (v4 !== undefined) return v4;
  const halves = bare.split("::");
  if (!/^[0-9a-f:.]+$/.test(bare) || !bare.includes(":") || halves.length > 2) return "unknown";
  const [head = [], tail = []] = halves.map((half) => half === "" ? [] : half.split(":"));
  const zeros = Array.from({ length: Math.max(0, 8 - head.length - tail.length) }, () => "0");
  const groups = halves.length === 2 ? [...head, ...zeros, ...tail] : head;
  return groups.slice(0, IPV6_GROUPS).map((group) => group.replace(/^0+(?=.)/, "")).join(":") +
    "::/64";
}
