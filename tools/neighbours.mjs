// Runs the services of this release beside those of an earlier one: npm run e2e:neighbours -- REV
// Needs NATS and MongoDB as the other tests do (LASTCALL_TEST_NATS_URL, LASTCALL_TEST_MONGODB_URL, or the servers on the PATH).
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const revision = process.argv[2];
if (revision === undefined || revision.startsWith('-')) {
  console.error('usage: npm run e2e:neighbours -- REV      a tag or commit: the release before');
  process.exit(2);
}

function run(command, args, options = {}) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}`);
}

const folder = mkdtempSync(join(tmpdir(), 'lastcall-neighbours-'));
try {
  run('git', ['archive', '--output', join(folder, 'source.tar'), revision]);
  run('tar', ['-xf', join(folder, 'source.tar'), '-C', folder]);
  run('npm', ['ci'], { cwd: folder });
  run('npm', ['run', '--silent', 'build'], { cwd: folder });
  const flags = [
    '--disable-warning=ExperimentalWarning',
    'node_modules/jest/bin/jest.js',
    '--runInBand',
    '--forceExit',
  ];
  run(process.execPath, [...flags, 'tools/e2e/src/neighbours.e2e.spec.ts'], {
    env: { ...process.env, LASTCALL_TEST_PREVIOUS: folder },
  });
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
