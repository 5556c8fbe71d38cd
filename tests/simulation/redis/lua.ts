/**
 * Runs the product's Lua scripts, so that the simulation has their very text and not a translation.
 * A script is one step: nothing can come in between, as on the server.
 */
import {
  type LuaExpression,
  LuaReader,
  LuaScope,
  type LuaTarget,
  valuesOf,
} from "./lua_expressions.ts";
import { luaTokens, UnknownLuaError } from "./lua_lexer.ts";
import { isTruthy, type LuaFunction, luaLibraries, LuaTable } from "./lua_values.ts";

/** What a statement ended with: results where it was a return. */
type Outcome = unknown[] | undefined;
type LuaStatement = (scope: LuaScope) => Outcome;

const MAX_TURNS = 100_000;
const BLOCK_ENDS = ["end", "else", "elseif"];
const parsed = new Map<string, LuaStatement>();

/** Runs a script; `call` is redis.call on JavaScript values. */
export function runLua(
  script: string,
  keys: readonly string[],
  args: readonly string[],
  call: (command: string, args: readonly string[]) => unknown,
): unknown {
  let block = parsed.get(script);
  if (block === undefined) {
    const reader = new LuaReader(luaTokens(script));
    block = readBlock(reader);
    if (!reader.isAtEnd()) throw new UnknownLuaError(`"${reader.next().value}"`);
    parsed.set(script, block);
  }
  const redisCall: LuaFunction = (command, ...rest) => [
    toLua(call(String(command), rest.map(String))),
  ];
  const globals = new LuaScope();
  for (const [name, member] of luaLibraries(redisCall).entries()) {
    globals.declare(String(name), member);
  }
  globals.declare("KEYS", LuaTable.of(keys));
  globals.declare("ARGV", LuaTable.of(args));
  return fromLua(block(new LuaScope(globals))?.[0]);
}

/** A reply as scripts see it: nothing is false (Redis manual, "Lua API", conversion). */
function toLua(reply: unknown): unknown {
  if (reply === null || reply === undefined) return false;
  return Array.isArray(reply) ? LuaTable.of(reply.map(toLua)) : reply;
}

/** What a script returns, as the client sees it: numbers are cut, false is nothing. */
function fromLua(value: unknown): unknown {
  if (value instanceof LuaTable) return value.list().map(fromLua);
  if (value === true) return 1;
  if (value === undefined || value === false) return null;
  return typeof value === "number" ? Math.trunc(value) : value;
}

function readBlock(reader: LuaReader): LuaStatement {
  const statements: LuaStatement[] = [];
  while (!reader.isAtEnd() && !BLOCK_ENDS.some((end) => reader.isAt(end))) {
    statements.push(readStatement(reader));
    reader.take(";");
  }
  return (scope) => {
    for (const statement of statements) {
      const outcome = statement(scope);
      if (outcome !== undefined) return outcome;
    }
    return undefined;
  };
}

function readStatement(reader: LuaReader): LuaStatement {
  if (reader.take("local")) return readLocal(reader);
  if (reader.take("if")) return readIf(reader);
  if (reader.take("for")) return readFor(reader);
  if (reader.take("return")) {
    const isBare = reader.isAtEnd() || BLOCK_ENDS.some((end) => reader.isAt(end));
    const values = isBare ? [] : reader.expressions();
    return (scope) => valuesOf(values, scope);
  }
  const { read, target } = reader.suffixed();
  if (target === undefined) {
    return (scope) => {
      read(scope);
      return undefined;
    };
  }
  return readAssignment(reader, target);
}

function readAssignment(reader: LuaReader, first: LuaTarget): LuaStatement {
  const targets = [first];
  while (reader.take(",")) {
    const { target } = reader.suffixed();
    if (target === undefined) throw new UnknownLuaError("an assignment to a call");
    targets.push(target);
  }
  reader.expect("=");
  const values = reader.expressions();
  return (scope) => {
    const results = valuesOf(values, scope);
    targets.forEach((target, index) => target.assign(scope, results[index]));
    return undefined;
  };
}

/** `local function name(...)`: the name is known inside, and what was declared before it. */
function readFunction(reader: LuaReader): LuaStatement {
  const { value: name } = reader.next();
  reader.expect("(");
  const parameters: string[] = [];
  while (!reader.take(")")) {
    parameters.push(reader.next().value);
    if (!reader.isAt(")")) reader.expect(",");
  }
  const body = readBlock(reader);
  reader.expect("end");
  return (scope) => {
    const run: LuaFunction = (...args) => {
      const inner = new LuaScope(scope);
      parameters.forEach((parameter, index) => inner.declare(parameter, args[index]));
      return body(inner) ?? [];
    };
    scope.declare(name, run);
    return undefined;
  };
}

function readLocal(reader: LuaReader): LuaStatement {
  if (reader.take("function")) return readFunction(reader);
  const names = [reader.next().value];
  while (reader.take(",")) names.push(reader.next().value);
  const values: LuaExpression[] = reader.take("=") ? reader.expressions() : [];
  return (scope) => {
    const results = valuesOf(values, scope);
    names.forEach((name, index) => scope.declare(name, results[index]));
    return undefined;
  };
}

function readIf(reader: LuaReader): LuaStatement {
  const arms: { when: LuaExpression; then: LuaStatement }[] = [];
  let otherwise: LuaStatement | undefined;
  do {
    const when = reader.expression();
    reader.expect("then");
    arms.push({ when, then: readBlock(reader) });
  } while (reader.take("elseif"));
  if (reader.take("else")) otherwise = readBlock(reader);
  reader.expect("end");
  return (scope) => {
    const arm = arms.find(({ when }) => isTruthy(when(scope)[0]));
    return (arm?.then ?? otherwise)?.(new LuaScope(scope));
  };
}

function readFor(reader: LuaReader): LuaStatement {
  const names = [reader.next().value];
  while (reader.take(",")) names.push(reader.next().value);
  const isNumeric = reader.take("=");
  if (!isNumeric) reader.expect("in");
  const head = reader.expressions();
  reader.expect("do");
  const body = readBlock(reader);
  reader.expect("end");
  return (scope) => {
    for (const values of isNumeric ? countUp(head, scope) : turnsOf(head, scope)) {
      const inner = new LuaScope(scope);
      names.forEach((name, index) => inner.declare(name, values[index]));
      const outcome = body(inner);
      if (outcome !== undefined) return outcome;
    }
    return undefined;
  };
}

function countUp(head: readonly LuaExpression[], scope: LuaScope): number[][] {
  const [from = NaN, to = NaN, step = 1] = valuesOf(head, scope).map(Number);
  const turns = Math.floor((to - from) / step) + 1;
  if (!(turns < MAX_TURNS)) throw new UnknownLuaError(`a loop of ${turns} turns`);
  return Array.from({ length: Math.max(0, turns) }, (_, turn) => [from + turn * step]);
}

/** `ipairs` and `pairs` of the double answer all turns at once. */
function turnsOf(head: readonly LuaExpression[], scope: LuaScope): unknown[][] {
  const [turns] = valuesOf(head, scope);
  if (!Array.isArray(turns)) throw new UnknownLuaError("a loop over that");
  return turns.map((turn) => Array.isArray(turn) ? turn : [turn]);
}
