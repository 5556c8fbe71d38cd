/**
 * One source of a service's permissions: the task of the same name in deno.json. The supervisor
 * starts a service with exactly the flags that `deno task <name>` gives it.
 */
import { join } from "node:path";
import { z } from "zod";
import { PROJECT_DIR } from "./data_dir.ts";
import { reasonOf, SetupError } from "./setup_error.ts";

/** A program and its arguments. */
export interface ServiceCommand {
  readonly command: string;
  readonly args: string[];
}

/** Changes to the task's own command line. */
export interface ServiceCommandOptions {
  /** The running Deno by default: `deno` may not be on PATH (npx). */
  readonly execPath?: string;
  /** Replaces a bare `--allow-net` by these `host:port` or `host`; other forms stay. */
  readonly netHosts?: readonly string[];
  /** Added after the script. */
  readonly scriptArgs?: readonly string[];
}

const denoJsonSchema = z.object({
  tasks: z.record(z.string(), z.union([z.string(), z.object({ command: z.string().optional() })])),
});

/** The tasks of a deno.json that have a command, by name. */
export type Tasks = Readonly<Record<string, string>>;

/** Reads the tasks of a deno.json (plain JSON). Throws `SetupError` when it cannot be read. */
export async function readTasks(file: string = join(PROJECT_DIR, "deno.json")): Promise<Tasks> {
  try {
    return parseTasks(JSON.parse(await Deno.readTextFile(file)));
  } catch (error) {
    throw new SetupError(`Cannot read the tasks of ${file}: ${reasonOf(error)}.`, { cause: error });
  }
}

/** The tasks in the parsed content of a deno.json; throws when it has none. */
export function parseTasks(denoJson: unknown): Tasks {
  const tasks: Record<string, string> = {};
  for (const [name, task] of Object.entries(denoJsonSchema.parse(denoJson).tasks)) {
    const command = typeof task === "string" ? task : task.command;
    if (command !== undefined) tasks[name] = command;
  }
  return tasks;
}

/**
 * The command of a task of the form `deno run <flags> <script> <arguments>`. Throws `SetupError`
 * when there is no such task or it has another form.
 */
export function serviceCommand(
  tasks: Tasks,
  name: string,
  options: ServiceCommandOptions = {},
): ServiceCommand {
  const task = tasks[name];
  if (task === undefined) throw new SetupError(`deno.json has no task ${name}.`);
  const [deno, run, ...rest] = splitWords(task, name);
  if (deno !== "deno" || run !== "run") {
    throw new SetupError(`The task ${name} in deno.json must begin with deno run: it is ${task}.`);
  }
  const { netHosts, scriptArgs = [] } = options;
  const script = rest.findIndex((word) => !word.startsWith("-"));
  if (script === -1) throw new SetupError(`The task ${name} in deno.json names no script.`);
  const flags = rest.slice(0, script).map((flag) => narrowNet(flag, netHosts));
  const args = ["run", ...flags, ...rest.slice(script), ...scriptArgs];
  return { command: options.execPath ?? Deno.execPath(), args };
}

function narrowNet(flag: string, netHosts: readonly string[] | undefined): string {
  if (netHosts === undefined || netHosts.length === 0) return flag;
  return flag === "--allow-net" || flag === "-N" ? `--allow-net=${netHosts.join(",")}` : flag;
}

/**
 * The words of a task as the shell of `deno task` splits them: by white space, with single and
 * double quotes. Operators, variables and backslashes are refused, because only a shell could
 * honour them.
 */
export function splitWords(task: string, name: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = "";
  for (const char of task) {
    if (quote !== "") {
      if (char === quote) quote = "";
      else word += char;
    } else if (char === '"' || char === "'") {
      quote = char;
      word ??= "";
    } else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = (word ?? "") + char;
    }
    if (quote !== "'" && /[$`\\]/.test(char) || quote === "" && /[|&;<>()*]/.test(char)) {
      throw new SetupError(`The task ${name} in deno.json needs a shell (${char}): ${task}.`);
    }
  }
  if (quote !== "") {
    throw new SetupError(`The task ${name} in deno.json has an open quote: ${task}.`);
  }
  if (word !== undefined) words.push(word);
  return words;
}
