/**
 * @file Adds up reports of vitest's JSON reporter. Prints one line and exits with 1 when a test failed.
 * Usage: node scripts/sum-tests.js [--also-failed N] [--also-skipped N] [--any-failed] REPORT...
 * The first two count what comes from elsewhere. With --any-failed nothing is printed, and the exit code is 0 when a
 * test failed: then a failed run is explained.
 */
import { existsSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'also-failed': { type: 'string', default: '0' },
    'also-skipped': { type: 'string', default: '0' },
    'any-failed': { type: 'boolean', default: false },
  },
});
const sum = { passed: 0, failed: Number(values['also-failed']), skipped: Number(values['also-skipped']) };
for (const path of positionals.filter(existsSync)) {
  const report = JSON.parse(readFileSync(path, 'utf8'));
  // A file that cannot be loaded has no tests, but fails.
  const broken = report.testResults.filter(
    (/** @type {{ status: string, assertionResults: unknown[] }} */ file) =>
      file.status === 'failed' && file.assertionResults.length === 0,
  );
  sum.passed += report.numPassedTests;
  sum.failed += report.numFailedTests + broken.length;
  sum.skipped += report.numPendingTests + report.numTodoTests;
}
if (values['any-failed']) {
  process.exitCode = sum.failed > 0 ? 0 : 1;
} else {
  console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
  if (sum.failed > 0) process.exitCode = 1;
}
