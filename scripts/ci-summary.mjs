// Sums the test reports given as arguments and prints `N passed, N failed` as its last line. A report that is missing
// counts as one failure, as does a file that failed outside its tests. Exits with 1 if no test ran or one failed.
import { existsSync, readFileSync } from 'node:fs';

let passed = 0;
let failed = 0;
for (const path of process.argv.slice(2)) {
  if (!existsSync(path)) {
    console.log(`no report ${path}: its tests did not run`);
    failed += 1;
    continue;
  }
  const report = JSON.parse(readFileSync(path, 'utf8'));
  passed += report.numPassedTests;
  failed += report.numFailedTests;
  const failedFiles = report.testResults.filter(file => file.status === 'failed');
  failed += failedFiles.filter(file => file.assertionResults.every(test => test.status !== 'failed')).length;
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = passed === 0 || failed > 0 ? 1 : 0;
