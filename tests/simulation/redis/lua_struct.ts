/**
 * The `struct` library of Redis, as far as the product's scripts use it: little endian, doubles,
 * whole numbers of 1, 2 and 4 bytes, bytes to pass over, and texts of as many bytes as the number
 * before them says. Bytes are the characters 0 to 255 of a text.
 */
import { UnknownLuaError } from "./lua_lexer.ts";
import { luaText } from "./lua_values.ts";

interface Field {
  readonly bytes: number;
  write(view: DataView, at: number, value: number): void;
  read(view: DataView, at: number): number;
}

const TEXT = "c0";
const PASSED_OVER = "x";

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
  B: {
    bytes: 1,
    write: (view, at, value) => view.setUint8(at, value),
    read: (view, at) => view.getUint8(at),
  },
  I2: {
    bytes: 2,
    write: (view, at, value) => view.setUint16(at, value, true),
    read: (view, at) => view.getUint16(at, true),
  },
};

function namesOf(format: unknown): string[] {
  const text = luaText(format);
  if (!/^<(?:d|i4|I4|I2|B|Bc0|x)+$/.test(text)) throw new UnknownLuaError(`the struct ${text}`);
  return text.match(/d|i4|I4|I2|B|c0|x/g) ?? [];
}

export function pack(format: unknown, ...values: readonly unknown[]): unknown[] {
  let packed = "";
  let next = 0;
  for (const name of namesOf(format)) {
    const field = FIELDS[name];
    if (name === TEXT) packed += luaText(values[next++]);
    else if (field === undefined) packed += "\0";
    else {
      const bytes = new Uint8Array(field.bytes);
      field.write(new DataView(bytes.buffer), 0, Number(values[next++]));
      packed += String.fromCharCode(...bytes);
    }
  }
  return [packed];
}

/** The values, and where the next one begins. */
export function unpack(format: unknown, text: unknown, from: unknown = 1): unknown[] {
  const bytes = Uint8Array.from(luaText(text), (character) => character.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  let at = Number(from) - 1;
  const values: unknown[] = [];
  for (const name of namesOf(format)) {
    const field = FIELDS[name];
    if (field !== undefined) {
      values.push(field.read(view, at));
      at += field.bytes;
    } else if (name === PASSED_OVER) at++;
    else {
      // The number before a text is its length, and no value of its own.
      const length = Number(values.pop());
      values.push(luaText(text).slice(at, at + length));
      at += length;
    }
  }
  return [...values, at + 1];
}
