import { deepStrictEqual, throws } from "node:assert/strict";
import { parseStreamsCommand, UsageError } from "./streams_command.ts";

const parse = (line: string) => parseStreamsCommand(line.split(" ").filter((arg) => arg !== ""));

Deno.test("parseStreamsCommand() reads every command", () => {
  deepStrictEqual(parse("list"), { name: "list" });
  deepStrictEqual(parse("show 12"), { name: "show", id: "12" });
  deepStrictEqual(parse("replay 12"), { name: "replay", selection: { ids: ["12"] } });
  deepStrictEqual(parse("replay --key k1 --consumer tracker"), {
    name: "replay",
    selection: { key: "k1", consumer: "tracker" },
  });
  deepStrictEqual(parse("replay --all"), { name: "replay", selection: {} });
  deepStrictEqual(parse("drop 3 4 3"), { name: "drop", ids: ["3", "4"], isConfirmed: false });
  deepStrictEqual(parse("drop 3 --confirm"), { name: "drop", ids: ["3"], isConfirmed: true });
});

Deno.test("parseStreamsCommand() replays all only when that is said", () => {
  for (const line of ["replay", "replay --consumer tracker", "replay 1 --all", "replay 1 2"]) {
    throws(
      () => parse(line),
      new UsageError(
        "Cannot replay: name one parked id, or --key KEY, or --all",
      ),
      line,
    );
  }
});

Deno.test("parseStreamsCommand() says in one sentence what is wrong", () => {
  const refused: [string, string][] = [
    ["", "a command is needed"],
    ["trim", "there is no command trim"],
    ["list 1", "Cannot list: list takes no parked id"],
    ["show", "Cannot show: exactly 1 parked id is needed: there are 0"],
    ["show 1 2", "Cannot show: exactly 1 parked id is needed: there are 2"],
    ["show 1-0", "a parked id is a number as in deno task streams list: it is 1-0"],
    ["replay --key", "--key needs a value"],
    ["replay --key --all", "--key needs a value"],
    ["replay 1 --confirm", "replay has no option --confirm"],
    ["drop --confirm", "Cannot drop: at least 1 parked id is needed"],
    ["drop 1 --all", "drop has no option --all"],
  ];
  for (const [line, message] of refused) throws(() => parse(line), new UsageError(message), line);
});
