// Runs the tests of one tier (unit, int, e2e), or of all of them one tier after the other, and says what could not run.
// The results of each tier are left in coverage/<tier>.json for .ci/run. More words choose files, options go to jest.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { relative } from 'node:path';
import { startBackends } from './path-backends.mjs';

const TIERS = {
  unit: { pattern: '(?!.*\\.(int|e2e)\\.spec\\.ts$).*\\.spec\\.ts$', workers: [], args: [] },
  // Half of what these tests do is waiting, so three files at a time; what they wait for, databases and other processes, shares the machine with them.
  int: { pattern: '.*\\.int\\.spec\\.ts$', workers: ['--maxWorkers=3'], args: [] },
  e2e: { pattern: '.*\\.e2e\\.spec\\.ts$', workers: ['--maxWorkers=2'], args: ['--testTimeout=180000'] },
};

// More failures than these are no accident, and a second run would only cost time.
const AGAIN_AT_MOST = 8;

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

/** Runs jest; undefined when it left no results. */
function jestRun(output, args) {
  rmSync(output, { force: true });
  // What a failing test leaves open must not keep the others' results from being told.
  const fixed = ['--disable-warning=ExperimentalWarning', jest, '--passWithNoTests', '--forceExit', '--json'];
  const stdio = ['ignore', 'ignore', 'inherit'];
  spawnSync(process.execPath, [...fixed, `--outputFile=${output}`, ...args, ...options], { stdio });
  try {
    return JSON.parse(readFileSync(output, 'utf8'));
  } catch (cause) {
    console.error(`tests: ${output}: no result (${cause.message})`);
    return undefined;
  }
}

const casesOf = (result, status) =>
  result.testResults.flatMap((file) =>
    file.assertionResults
      .filter((one) => one.status === status)
      .map((one) => ({
        file: relative(process.cwd(), file.name),
        name: one.fullName,
        suite: one.ancestorTitles[0] ?? one.title,
      })),
  );

/** Files with a failure, one that could not even be loaded included. */
const failedFiles = (result) => result.testResults.filter((file) => file.status === 'failed').map((file) => file.name);

/**
 * Tests that use real processes, signals and clocks get a second run of their file, once, when few files failed. What passes then is not
 * hidden: it is counted and named as flaky, with the failure above, and is a bug of the test or of the program. The second run is one file at a
 * time, so that a machine that was too busy for two is not what fails.
 */
function again(tier, result) {
  const files = failedFiles(result);
  if (tier === 'unit' || files.length === 0 || files.length > AGAIN_AT_MOST) return { result, flaky: [] };
  console.error(`tests: a second run, to tell what fails always from what fails sometimes: ${files.length} files`);
  const second = jestRun(`coverage/${tier}-again.json`, [
    '--runTestsByPath',
    ...files,
    '--runInBand',
    ...TIERS[tier].args,
  ]);
  if (second === undefined) return { result, flaky: [] };
  const untouched = result.testResults.filter((file) => !files.includes(file.name));
  const stillFailed = new Set(casesOf(second, 'failed').map(({ file, name }) => `${file}\0${name}`));
  const flaky = casesOf(result, 'failed').filter(({ file, name }) => !stillFailed.has(`${file}\0${name}`));
  return { result: { testResults: [...untouched, ...second.testResults] }, flaky };
}

function summaryOf(tier, { result, flaky }) {
  const failed = casesOf(result, 'failed');
  const broken = failedFiles(result).map((file) => relative(process.cwd(), file));
  const unloaded = broken.filter((file) => !failed.some((one) => one.file === file));
  const names = [...failed.map(({ file, name }) => `${file}: ${name}`), ...unloaded];
  const skipped = casesOf(result, 'pending');
  return {
    passed: casesOf(result, 'passed').length,
    failed: names,
    flaky: flaky.map(({ file, name }) => `${file}: ${name}`),
    skipped: skipped.length,
    skippedSuites: [...new Set(skipped.map(({ suite }) => suite))],
    tier,
  };
}

function told({ tier, passed, failed, flaky, skipped, skippedSuites }) {
  return [
    `${tier}: ${passed} passed, ${failed.length} failed, ${skipped} skipped, ${flaky.length} flaky`,
    ...failed.map((name) => `  failed: ${name}`),
    ...flaky.map((name) => `  flaky: ${name}`),
    ...(skippedSuites.length > 0 ? [`  skipped: ${skippedSuites.join(', ')}`] : []),
  ].join('\n');
}

let failed = false;
const lines = [];
for (const tier of chosen) {
  const { pattern, workers, args } = TIERS[tier];
  const wanted = ['--testPathPatterns', `^${named}${pattern}`];
  const result = jestRun(`coverage/${tier}-first.json`, [...wanted, ...workers, ...args]);
  const file = `coverage/${tier}.json`;
  rmSync(file, { force: true });
  if (result === undefined) {
    failed = true;
    continue;
  }
  const summary = summaryOf(tier, again(tier, result));
  writeFileSync(file, JSON.stringify(summary));
  lines.push(told(summary));
  failed ||= summary.failed.length > 0;
}
console.log(lines.join('\n'));
process.exit(failed ? 1 : 0);
