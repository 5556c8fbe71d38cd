/** What a call of `deno task streams` asks for. Pure. */
import type { ParkedSelection } from "shared/streams/parked.ts";

export const STREAMS_USAGE = `Usage: deno task streams <command>
  list                                     streams, their groups, and what is parked
  show <parked id>                         one parked event: cause, entry, payload
  replay <parked id> [--consumer NAME]     hand its key's parked events to the consumer again
  replay --key KEY [--consumer NAME]       the same, by the key
  replay --all [--consumer NAME]           all that is parked
  drop <parked id> ... --confirm           forget parked events for good`;

/** Ids that one call may name. */
const MAX_IDS = 1_000;

export type StreamsCommand =
  | { readonly name: "list" }
  | { readonly name: "show"; readonly id: string }
  | { readonly name: "replay"; readonly selection: ParkedSelection }
  | { readonly name: "drop"; readonly ids: readonly string[]; readonly isConfirmed: boolean };

/** What a person got wrong, in one sentence. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Reads the arguments. @throws UsageError */
export function parseStreamsCommand(args: readonly string[]): StreamsCommand {
  const [name, ...rest] = args;
  const { ids, options } = splitOptions(rest);
  switch (name) {
    case "list":
      allowOnly("list", options, []);
      if (ids.length > 0) throw new UsageError("Cannot list: list takes no parked id");
      return { name };
    case "show": {
      allowOnly("show", options, []);
      const [id] = ids;
      if (id === undefined || ids.length > 1) {
        throw new UsageError(`Cannot show: exactly 1 parked id is needed: there are ${ids.length}`);
      }
      return { name, id };
    }
    case "replay":
      allowOnly("replay", options, ["--key", "--consumer", "--all"]);
      return { name, selection: selectionOf(ids, options) };
    case "drop":
      allowOnly("drop", options, ["--confirm"]);
      if (ids.length === 0) throw new UsageError("Cannot drop: at least 1 parked id is needed");
      return { name, ids: [...new Set(ids)], isConfirmed: options.has("--confirm") };
    default:
      throw new UsageError(
        name === undefined ? "a command is needed" : `there is no command ${name}`,
      );
  }
}

type Options = ReadonlyMap<string, string>;

function splitOptions(args: readonly string[]): { ids: string[]; options: Options } {
  const ids: string[] = [];
  const options = new Map<string, string>();
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? "";
    if (arg === "--key" || arg === "--consumer") {
      const value = args[++at];
      if (value === undefined || value === "" || value.startsWith("--")) {
        throw new UsageError(`${arg} needs a value`);
      }
      options.set(arg, value);
    } else if (arg.startsWith("-")) options.set(arg, "");
    else if (/^[1-9]\d{0,17}$/.test(arg)) ids.push(arg);
    else throw new UsageError(`a parked id is a number as in deno task streams list: it is ${arg}`);
  }
  if (ids.length > MAX_IDS) {
    throw new UsageError(`at most ${MAX_IDS} parked ids go in one call: there are ${ids.length}`);
  }
  return { ids, options };
}

function allowOnly(name: string, options: Options, allowed: readonly string[]): void {
  for (const option of options.keys()) {
    if (!allowed.includes(option)) throw new UsageError(`${name} has no option ${option}`);
  }
}

function selectionOf(ids: readonly string[], options: Options): ParkedSelection {
  const key = options.get("--key");
  const consumer = options.get("--consumer");
  const ways = [ids.length > 0, key !== undefined, options.has("--all")].filter(Boolean).length;
  if (ways !== 1 || ids.length > 1) {
    throw new UsageError("Cannot replay: name one parked id, or --key KEY, or --all");
  }
  return {
    ...(ids.length === 0 ? {} : { ids }),
    ...(key === undefined ? {} : { key }),
    ...(consumer === undefined ? {} : { consumer }),
  };
}
