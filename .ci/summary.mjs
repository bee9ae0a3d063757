// usage: summary.mjs REPORT [FAILED_STEP…]: prints the counts line of .ci/run and sets the exit code.
import { readFileSync } from 'node:fs';

const [reportPath, ...failedSteps] = process.argv.slice(2);

function readReport() {
  try {
    return JSON.parse(readFileSync(reportPath, 'utf8'));
  } catch {
    return { testResults: [] };
  }
}

function count(files) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const file of files) {
    for (const { status } of file.assertionResults) {
      if (status === 'passed' || status === 'failed') counts[status] += 1;
      else counts.skipped += 1;
    }
    // A file that could not be loaded, or whose hook failed, has no failed test of its own.
    if (file.status === 'failed' && file.assertionResults.every(({ status }) => status !== 'failed'))
      counts.failed += 1;
  }
  return counts;
}

const counts = count(readReport().testResults);
for (const step of failedSteps) {
  // Failed tests explain a failing `npm test`; without any, something around them broke (build, limit, unhandled error).
  if (step !== 'npm test' || counts.failed === 0) counts.failed += 1;
}
const skipped = counts.skipped === 0 ? '' : `, ${counts.skipped} skipped`;
console.log(`${counts.passed} passed, ${counts.failed} failed${skipped}`);
process.exitCode = counts.failed === 0 && counts.passed > 0 ? 0 : 1;
