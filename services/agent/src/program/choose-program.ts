import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { layoutOf } from '../layout.js';
import { countStart } from './probation.js';

/*
 * Which program works on a data folder: the one that its link `program/current` leads to, else the one that came with the launcher. For the
 * launcher alone, which loads nothing else of its own program; so nothing but files is needed here.
 */

export const DEFAULT_DATA_DIR = './lastcall-agent-data';

/** Of the program for this command line: its main module; undefined for the launcher's own. */
export async function chooseProgram(argv: readonly string[]): Promise<string | undefined> {
  const { program } = layoutOf(dataDirOf(argv));
  // A disk that is full must not keep the agent from its work; what was linked is started.
  if (argv[0] === 'run') await countStart(program).catch(() => undefined);
  try {
    return realpathSync(join(program, 'current', 'dist', 'main.js'));
  } catch {
    return undefined; // No version of its own, or one that somebody has removed.
  }
}

function dataDirOf(argv: readonly string[]): string {
  const at = argv.indexOf('--data');
  const joined = argv.find((word) => word.startsWith('--data='))?.slice('--data='.length);
  return (at >= 0 ? argv[at + 1] : joined) ?? DEFAULT_DATA_DIR;
}
