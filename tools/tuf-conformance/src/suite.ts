import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/*
 * Runs the conformance suite of The Update Framework against the agent's client. The suite is not ours and not part of this repository: where its checkout
 * lies is told by LASTCALL_TUF_CONFORMANCE_DIR. Its Python packages go into a folder that is removed afterwards.
 */

const HOW = `The conformance suite is not part of this repository. Get it and say where it is:

  git clone https://github.com/theupdateframework/tuf-conformance
  LASTCALL_TUF_CONFORMANCE_DIR=$PWD/tuf-conformance npm run conformance

It needs python3 (3.10 or newer) with pip, and faketime (Debian: apt-get install faketime). Words after "--" go to pytest, for example -k rollback.`;

function main(more: readonly string[]): number {
  const dir = process.env['LASTCALL_TUF_CONFORMANCE_DIR'] ?? '';
  if (!existsSync(join(dir, 'tuf_conformance', 'conftest.py'))) return say(HOW);
  if (spawnSync('faketime', ['--version']).error) return say(`faketime is not installed.\n\n${HOW}`);
  const venv = mkdtempSync(join(tmpdir(), 'lastcall-conformance-'));
  try {
    const python = join(venv, 'bin', 'python');
    const install = [python, '-m', 'pip', 'install', '--quiet', resolve(dir)];
    for (const command of [['python3', '-m', 'venv', venv], install]) {
      if (!run(command)) return say(`This did not work: ${command.join(' ')}`);
    }
    const client = `${process.execPath} ${join(__dirname, 'client.js')}`;
    const tests = join(resolve(dir), 'tuf_conformance');
    return run([python, '-m', 'pytest', '-q', '-rfE', tests, '--entrypoint', client, ...more]) ? 0 : 1;
  } finally {
    rmSync(venv, { recursive: true, force: true });
  }
}

function say(text: string): number {
  console.error(text);
  return 2;
}

function run([command = '', ...args]: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'inherit' }).status === 0;
}

process.exit(main(process.argv.slice(2)));
