/** Counts tests from the JUnit report of `deno test`, which also exists when its output is long. */

/** How many tests passed, failed and were left out. A test with steps is one test. */
export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly ignored: number;
}

/** Nothing has run. */
export const NO_TESTS: TestCounts = { passed: 0, failed: 0, ignored: 0 };

/** The sum of two counts. */
export function addCounts(a: TestCounts, b: TestCounts): TestCounts {
  return {
    passed: a.passed + b.passed,
    failed: a.failed + b.failed,
    ignored: a.ignored + b.ignored,
  };
}

/**
 * Counts the test cases of a report. Deno lists steps as cases of their own called
 * `<test> > <step>`; a failed step also fails its test, so steps are left out.
 */
export function countTests(junitXml: string): TestCounts {
  const cases = [...junitXml.matchAll(/<testcase\b([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g)].map(
    ([, attributes = "", body = ""]) => ({
      name: /\bname="([^"]*)"/.exec(attributes)?.[1] ?? "",
      failed: /<(failure|error)\b/.test(body),
      ignored: /<skipped\b/.test(body),
    }),
  );
  const names = new Set(cases.map((one) => one.name));
  const tests = cases.filter((one) => !isStep(one.name, names));
  const failed = tests.filter((one) => one.failed).length;
  const ignored = tests.filter((one) => one.ignored && !one.failed).length;
  return { passed: tests.length - failed - ignored, failed, ignored };
}

const STEP_SEPARATOR = " &gt; ";

/** Accepts the separator escaped, as Deno writes it, and unescaped, which XML allows too. */
function isStep(name: string, names: ReadonlySet<string>): boolean {
  for (const separator of [STEP_SEPARATOR, " > "]) {
    let at = name.indexOf(separator);
    while (at !== -1) {
      if (names.has(name.slice(0, at))) return true;
      at = name.indexOf(separator, at + 1);
    }
  }
  return false;
}

/** The last line of a test run. */
export function summaryLine(counts: TestCounts): string {
  return `${counts.passed} passed, ${counts.failed} failed`;
}

/** 0 only when something ran and nothing failed. */
export function testExitCode(counts: TestCounts): number {
  return counts.failed > 0 || counts.passed === 0 ? 1 : 0;
}
