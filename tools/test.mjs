// Runs the tests of one tier (unit, int, e2e), or of all of them one tier after the other, and says what could not run.
// The results of each tier are left in coverage/<tier>.json for .ci/run. More words choose files, options go to jest.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { startBackends } from './path-backends.mjs';

const TIERS = {
  unit: { pattern: '(?!.*\\.(int|e2e)\\.spec\\.ts$).*\\.spec\\.ts$', args: [] },
  // One at a time: what these tests wait for shares the machine with databases and other processes.
  int: { pattern: '.*\\.int\\.spec\\.ts$', args: ['--runInBand'] },
  e2e: { pattern: '.*\\.e2e\\.spec\\.ts$', args: ['--runInBand', '--testTimeout=180000'] },
};

const [first, ...others] = process.argv.slice(2);
const chosen = first in TIERS ? [first] : Object.keys(TIERS);
const more = first === undefined || first in TIERS ? others : [first, ...others];
// Words narrow the tier down to files whose path has one of them; options are jest's.
const words = more.filter((argument) => !argument.startsWith('-'));
const options = more.filter((argument) => argument.startsWith('-'));
const named = words.length === 0 ? '' : `(?=.*(${words.join('|')}))`;
const jest = createRequire(import.meta.url).resolve('jest/bin/jest');

// Unit tests need none.
const missing = chosen.join() === 'unit' ? [] : await startBackends(['NATS', 'MONGODB']);
if (missing.length > 0) {
  const urls = missing.map((name) => `LASTCALL_TEST_${name}_URL`).join(' and ');
  const remedy = `set ${urls}, or put nats-server and mongod on the PATH`;
  console.error(`tests: suites that need ${missing.join(' and ')} are skipped by name below; ${remedy}`);
  if (process.env.LASTCALL_REQUIRE_BACKENDS === '1') {
    console.error('tests: LASTCALL_REQUIRE_BACKENDS=1, so this is a failure');
    process.exit(1);
  }
}

// Tests of whole programs start what tsc made of them.
if (chosen.includes('e2e') || chosen.includes('int')) {
  const build = spawnSync('tsc', ['-b'], { stdio: ['ignore', 'inherit', 'inherit'] });
  if (build.status !== 0) process.exit(1);
}

mkdirSync('coverage', { recursive: true });
let failed = false;
const lines = [];
for (const tier of chosen) {
  const output = `coverage/${tier}.json`;
  rmSync(output, { force: true });
  const { pattern, args } = TIERS[tier];
  const run = spawnSync(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      jest,
      '--testPathPatterns',
      `^${named}${pattern}`,
      '--passWithNoTests',
      // What a failing test leaves open must not keep the others' results from being told.
      '--forceExit',
      '--json',
      `--outputFile=${output}`,
      ...args,
      ...options,
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  failed ||= run.status !== 0;
  try {
    const r = JSON.parse(readFileSync(output, 'utf8'));
    const skipped = r.testResults.flatMap((f) => f.assertionResults).filter((a) => a.status === 'pending');
    const suites = new Set(skipped.map((a) => a.ancestorTitles[0] ?? a.title));
    lines.push(`${tier}: ${r.numPassedTests} passed, ${r.numFailedTests} failed, ${r.numPendingTests} skipped`);
    if (suites.size > 0) lines.push(`  skipped: ${[...suites].join(', ')}`);
  } catch (cause) {
    lines.push(`${tier}: no result (${cause.message})`);
    failed = true;
  }
}
console.log(lines.join('\n'));
process.exit(failed ? 1 : 0);
