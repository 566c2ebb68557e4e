import { isRejected } from '@lastcall/kernel';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lockDataFolder } from './data-folder-lock.js';

/** Holds the lock as another Lastcall would, until it is killed. */
const HOLDER = `
  const { DatabaseSync } = require('node:sqlite');
  new DatabaseSync(process.argv[1]).exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  console.log('locked');
  process.stdin.resume(); // Until it is killed, or the test is.
`;

describe('the lock of a data folder', () => {
  const dir = mkdtempSync(join(tmpdir(), 'lastcall-up-'));
  afterAll(() => rmSync(dir, { recursive: true }));

  it('is refused while another process has it, and free as soon as that is killed', async () => {
    const other = spawn(process.execPath, ['-e', HOLDER, join(dir, 'up.lock')], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    await once(other.stdout, 'data');
    expect(lockDataFolder(dir)).toMatchObject({ kind: 'rejected', reason: 'DATA_FOLDER_IN_USE' });
    other.kill('SIGKILL'); // No chance to clean up.
    await once(other, 'exit');
    const lock = lockDataFolder(dir);
    if (isRejected(lock)) throw new Error(lock.message);
    lock.release();
    expect(isRejected(lockDataFolder(dir))).toBe(false);
  });
});
