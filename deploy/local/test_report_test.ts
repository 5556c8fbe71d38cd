import assert from "node:assert/strict";
import { addCounts, countTests, NO_TESTS, summaryLine, testExitCode } from "./test_report.ts";

const REPORT = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="deno test" tests="8" failures="3" errors="0" time="0.074">
  <testsuite name="./x_test.ts" tests="6" disabled="1" errors="0" failures="2">
    <testcase name="a" classname="./x_test.ts" time="0.002" line="1" col="6">
    </testcase>
    <testcase name="b" classname="./x_test.ts" time="0.001" line="2" col="6">
      <failure message="Uncaught Error: x">a &lt;testcase name=&quot;z&quot;/&gt;</failure>
    </testcase>
    <testcase name="c" classname="./x_test.ts"><skipped/></testcase>
    <testcase name="d" classname="./x_test.ts"><failure message="1 step failed">x</failure></testcase>
    <testcase name="a &gt; s1" classname="./x_test.ts" time="0.000"></testcase>
    <testcase name="a &gt; s1 &gt; s2" classname="./x_test.ts" time="0.000"/>
    <testcase name="n &gt; 1 holds" classname="./x_test.ts" time="0.000"/>
  </testsuite>
  <testsuite name="ext:node" tests="1" disabled="0" errors="0" failures="1">
    <testcase name="d &gt; j" classname="ext:node"><failure message="k">x</failure></testcase>
  </testsuite>
</testsuites>`;

Deno.test("countTests() counts tests and not their steps", () => {
  assert.deepEqual(countTests(REPORT), { passed: 2, failed: 2, ignored: 1 });
  assert.deepEqual(countTests(""), NO_TESTS);
});

Deno.test("summaryLine() and testExitCode() say failure when none ran", () => {
  const counts = addCounts(countTests(REPORT), { passed: 1, failed: 0, ignored: 2 });
  assert.equal(summaryLine(counts), "3 passed, 2 failed");
  assert.equal(testExitCode(counts), 1);
  assert.equal(testExitCode(NO_TESTS), 1);
  assert.equal(testExitCode({ passed: 1, failed: 0, ignored: 9 }), 0);
});
