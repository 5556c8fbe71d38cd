/** A WebSocket client that may break every rule: the handshake by hand, then bytes. */

export interface RawSocket {
  /** Status of the answer; 101 when it is open. */
  readonly status: number;
  readonly body: string;
  readonly connection: Deno.TcpConn;
}

/** Asks for an upgrade over a connection of its own; the caller closes it. */
export async function openRawSocket(
  url: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<RawSocket> {
  const { hostname, port, pathname, search, host } = new URL(url);
  const connection = await Deno.connect({ hostname, port: Number(port) });
  const lines = [
    `GET ${pathname}${search} HTTP/1.1`,
    `Host: ${host}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    `Sec-WebSocket-Key: ${
      btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16))))
    }`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  await connection.write(new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`));
  const buffer = new Uint8Array(16 * 1024);
  let text = "";
  while (!text.includes("\r\n\r\n")) {
    const read = await connection.read(buffer);
    if (read === null) break;
    text += new TextDecoder().decode(buffer.subarray(0, read));
  }
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0);
  return { status, body: text.slice(text.indexOf("\r\n\r\n") + 4), connection };
}

/** A masked frame (RFC 6455 §5.2) with any opcode and any claimed length. */
export function frameBytes(
  opcode: number,
  payload: Uint8Array,
  options: { readonly isMasked?: boolean; readonly claimedLength?: bigint } = {},
): Uint8Array {
  const { isMasked = true, claimedLength } = options;
  const mask = isMasked ? [1, 2, 3, 4] : [];
  const length = new Uint8Array(claimedLength === undefined ? 1 : 9);
  if (claimedLength === undefined) length[0] = payload.length;
  else {
    length[0] = 127;
    new DataView(length.buffer).setBigUint64(1, claimedLength);
  }
  length[0] = (length[0] ?? 0) | (isMasked ? 0x80 : 0);
  const body = payload.map((byte, index) => byte ^ (mask[index % 4] ?? 0));
  return new Uint8Array([0x80 | opcode, ...length, ...mask, ...body]);
}
