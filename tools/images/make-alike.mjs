import { chmodSync, lstatSync, lutimesSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** One time for all files, in every release: what did not change is the same layer. */
const EPOCH = new Date(Date.UTC(1980, 0, 1));

/** Modes and times of everything in `folder` no longer depend on who put it there, and when. `modes`: of folders that are special, by path in it. */
export function makeAlike(folder, modes = {}) {
  const visit = (path) => {
    const at = join(folder, path);
    const stat = lstatSync(at);
    if (stat.isDirectory()) for (const name of readdirSync(at)) visit(join(path, name));
    const usual = stat.isDirectory() || stat.mode & 0o100 ? 0o755 : 0o644;
    if (!stat.isSymbolicLink()) chmodSync(at, modes[path] ?? usual);
    lutimesSync(at, EPOCH, EPOCH);
  };
  visit('');
}
