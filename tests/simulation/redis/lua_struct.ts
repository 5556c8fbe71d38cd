/**
 * The `struct` library of Redis, as far as the product's scripts use it: little endian, doubles and
 * whole numbers of 2 and 4 bytes. Bytes are the characters 0 to 255 of a text.
 */
import { UnknownLuaError } from "./lua_lexer.ts";
import { luaText } from "./lua_values.ts";

interface Field {
  readonly bytes: number;
  write(view: DataView, at: number, value: number): void;
  read(view: DataView, at: number): number;
}

const FIELDS: Readonly<Record<string, Field>> = {
  d: {
    bytes: 8,
    write: (view, at, value) => view.setFloat64(at, value, true),
    read: (view, at) => view.getFloat64(at, true),
  },
  i4: {
    bytes: 4,
    write: (view, at, value) => view.setInt32(at, value, true),
    read: (view, at) => view.getInt32(at, true),
  },
  I4: {
    bytes: 4,
    write: (view, at, value) => view.setUint32(at, value, true),
    read: (view, at) => view.getUint32(at, true),
  },
  I2: {
    bytes: 2,
    write: (view, at, value) => view.setUint16(at, value, true),
    read: (view, at) => view.getUint16(at, true),
  },
};

function fieldsOf(format: unknown): Field[] {
  const text = luaText(format);
  if (!/^<(?:d|i4|I4|I2)+$/.test(text)) throw new UnknownLuaError(`the struct ${text}`);
  return (text.match(/d|i4|I4|I2/g) ?? []).flatMap((name) => FIELDS[name] ?? []);
}

export function pack(format: unknown, ...values: readonly unknown[]): unknown[] {
  const fields = fieldsOf(format);
  const bytes = new Uint8Array(fields.reduce((sum, field) => sum + field.bytes, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [index, field] of fields.entries()) {
    field.write(view, at, Number(values[index]));
    at += field.bytes;
  }
  return [String.fromCharCode(...bytes)];
}

/** The values, and where the next one begins. */
export function unpack(format: unknown, text: unknown, from: unknown = 1): unknown[] {
  const bytes = Uint8Array.from(luaText(text), (character) => character.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  let at = Number(from) - 1;
  const values = fieldsOf(format).map((field) => {
    const value = field.read(view, at);
    at += field.bytes;
    return value;
  });
  return [...values, at + 1];
}
