/** Which part of the house may import which: each rule is a sentence and a check. Pure. */
import type { Import } from "./module_graph.ts";

interface ImportRule {
  readonly sentence: string;
  breaks(from: string, to: string): boolean;
}

/** `gateway` of `services/gateway/app.ts`; undefined elsewhere. */
function serviceOf(path: string): string | undefined {
  return /^services\/([^/]+)\//.exec(path)?.[1];
}

/** `orders` of `shared/orders/offers.ts`; undefined elsewhere. */
export function topicOf(path: string): string | undefined {
  return /^shared\/([^/]+)\//.exec(path)?.[1];
}

function isIn(path: string, ...folders: readonly string[]): boolean {
  return folders.some((folder) => path.startsWith(`${folder}/`));
}

/** Type imports count too: a shape that two services share belongs to shared/. */
export const IMPORT_RULES: readonly ImportRule[] = [
  {
    sentence: "a service never imports another",
    breaks: (from, to) =>
      serviceOf(from) !== undefined && serviceOf(to) !== undefined &&
      serviceOf(from) !== serviceOf(to),
  },
  {
    sentence: "a service imports nothing of deploy/ or tests/",
    breaks: (from, to) => isIn(from, "services") && isIn(to, "deploy", "tests"),
  },
  {
    sentence: "shared/ imports no service, nothing of deploy/ and nothing of tests/",
    breaks: (from, to) => isIn(from, "shared") && isIn(to, "services", "deploy", "tests"),
  },
  {
    sentence: "deploy/ imports of a service only what its config.ts declares",
    breaks: (from, to) =>
      isIn(from, "deploy") &&
      (isIn(to, "tests") || isIn(to, "services") && !/^services\/[^/]+\/config\.ts$/.test(to)),
  },
  {
    sentence: "nothing imports a service's main.ts, which starts the service",
    breaks: (_from, to) => /^services\/[^/]+\/main\.ts$/.test(to),
  },
  {
    sentence:
      "code comes from this repository, npm or the runtime, so that installs need npm alone",
    breaks: (_from, to) => /^[a-z]+:/.test(to) && !/^(npm|node|file):/.test(to),
  },
];

/** One line per import that breaks a rule. */
export function findForbiddenImports(imports: readonly Import[]): string[] {
  return imports.flatMap(({ from, to }) =>
    IMPORT_RULES.filter((rule) => rule.breaks(from, to))
      .map((rule) => `${from} imports ${to}: ${rule.sentence}`)
  );
}

/**
 * A cycle among the topics of shared/, as `["a", "b", "a"]`; undefined when there is none. Tests
 * are left out: a test may look at its topic through another one's data.
 */
export function findTopicCycle(imports: readonly Import[]): string[] | undefined {
  const uses = new Map<string, Set<string>>();
  for (const { from, to } of imports) {
    const topic = topicOf(from);
    const used = topicOf(to);
    if (topic === undefined || used === undefined || topic === used) continue;
    if (from.endsWith("_test.ts")) continue;
    uses.set(topic, (uses.get(topic) ?? new Set()).add(used));
  }
  const done = new Set<string>();
  for (const topic of uses.keys()) {
    const cycle = cycleFrom(topic, [], uses, done);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

/** Depth first; there are some dozens of topics, so the depth is bounded by that. */
function cycleFrom(
  topic: string,
  path: readonly string[],
  uses: ReadonlyMap<string, ReadonlySet<string>>,
  done: Set<string>,
): string[] | undefined {
  const start = path.indexOf(topic);
  if (start !== -1) return [...path.slice(start), topic];
  if (done.has(topic)) return undefined;
  for (const used of uses.get(topic) ?? []) {
    const cycle = cycleFrom(used, [...path, topic], uses, done);
    if (cycle !== undefined) return cycle;
  }
  done.add(topic);
  return undefined;
}
