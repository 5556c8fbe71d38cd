/**
 * Where a request came from. `X-Forwarded-For` is written by whoever likes to, so only the part
 * that our own proxies appended counts: it is read from the right, as long as the hop that wrote an
 * entry is trusted (OWASP ASVS 4.1.3).
 */

/** A block of addresses, as `10.0.0.0/8` or `fd00::/8`. */
export interface AddressBlock {
  readonly bits: bigint;
  readonly prefix: number;
  readonly family: 4 | 6;
}

interface Address {
  readonly bits: bigint;
  readonly family: 4 | 6;
}

/** Entries looked at; a chain of more proxies is a made-up one. */
const MAX_HOPS = 20;
const MAX_HEADER_CHARACTERS = 2_000;
const BITS = { 4: 32, 6: 128 } as const;

/** Reads a block or a single address; undefined for any other text. */
export function parseBlock(text: string): AddressBlock | undefined {
  const [address = "", length, ...rest] = text.split("/");
  const parsed = parseAddress(address);
  if (parsed === undefined || rest.length > 0) return undefined;
  const most = BITS[parsed.family];
  if (length === undefined) return { ...parsed, prefix: most };
  if (!/^\d{1,3}$/.test(length) || Number(length) > most) return undefined;
  return { ...parsed, prefix: Number(length) };
}

/**
 * The address of the client: the socket's, or where that is a trusted proxy, the nearest entry of
 * `X-Forwarded-For` that is not one.
 */
export function clientAddressOf(
  socketAddress: string,
  forwardedFor: string | null,
  trusted: readonly AddressBlock[],
): string {
  const socket = parseAddress(socketAddress);
  let client = socket === undefined ? socketAddress : textOf(socket);
  if (socket === undefined || !isIn(socket, trusted)) return client;
  const hops = (forwardedFor ?? "").slice(-MAX_HEADER_CHARACTERS).split(",").slice(-MAX_HOPS);
  for (const hop of hops.reverse()) {
    const address = parseAddress(withoutPort(hop.trim()));
    // What a trusted proxy wrote is an address; behind anything else nothing can be believed.
    if (address === undefined) return client;
    client = textOf(address);
    if (!isIn(address, trusted)) return client;
  }
  return client;
}

function isIn(address: Address, blocks: readonly AddressBlock[]): boolean {
  return blocks.some(({ bits, prefix, family }) => {
    const rest = BigInt(BITS[family] - prefix);
    return family === address.family && bits >> rest === address.bits >> rest;
  });
}

/** `1.2.3.4:567` and `[::1]:567` are how some proxies write it. */
function withoutPort(text: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(text)?.[1];
  return bracketed ?? /^(\d+\.\d+\.\d+\.\d+):\d{1,5}$/.exec(text)?.[1] ?? text;
}

function parseAddress(text: string): Address | undefined {
  return text.includes(":") ? parseV6(text) : parseV4(text);
}

function parseV4(text: string): Address | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  let bits = 0n;
  for (const part of parts) {
    // A leading zero is octal to some and decimal to others.
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    bits = bits << 8n | BigInt(part);
  }
  return { bits, family: 4 };
}

/** RFC 4291 §2.2; a mapped IPv4 address (::ffff:1.2.3.4) is that IPv4 address. */
function parseV6(text: string): Address | undefined {
  const words = v6Words(text.replace(/%.*$/, ""));
  if (words === undefined) return undefined;
  const bits = words.reduce((all, word) => all << 16n | BigInt(word), 0n);
  if (bits >> 32n === 0xffffn) return { bits: bits & 0xffffffffn, family: 4 };
  return { bits, family: 6 };
}

function v6Words(text: string): number[] | undefined {
  const [head = "", tail, ...rest] = text.split("::");
  if (rest.length > 0) return undefined;
  const before = wordsOf(head);
  const after = tail === undefined ? [] : wordsOf(tail);
  if (before === undefined || after === undefined) return undefined;
  const missing = 8 - before.length - after.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  return [...before, ...Array<number>(missing).fill(0), ...after];
}

function wordsOf(text: string): number[] | undefined {
  if (text === "") return [];
  const words: number[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    if (part.includes(".") && index === parts.length - 1) {
      const v4 = parseV4(part);
      if (v4 === undefined) return undefined;
      words.push(Number(v4.bits >> 16n), Number(v4.bits & 0xffffn));
    } else if (/^[0-9a-f]{1,4}$/i.test(part)) words.push(parseInt(part, 16));
    else return undefined;
  }
  return words;
}

/** One spelling per address, so that a limit cannot be escaped by another spelling. */
function textOf({ bits, family }: Address): string {
  const [count, width] = family === 4 ? [4, 8n] : [8, 16n];
  const words = Array.from({ length: count }, (_, index) => {
    const shift = width * BigInt(count - 1 - index);
    return bits >> shift & ((1n << width) - 1n);
  });
  return family === 4 ? words.join(".") : words.map((word) => word.toString(16)).join(":");
}
