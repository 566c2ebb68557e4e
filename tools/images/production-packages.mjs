import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/*
 * What a workspace needs to run, as the lock says it: other workspaces and packages, directly or not, never what is for development only. npm itself
 * installs workspaces that are development dependencies even with --omit=dev (https://github.com/npm/cli/issues/6670), and the test kit is one.
 */

/** The `packages` of the lock: entries by their folder. */
export function readLock(root) {
  return JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
}

/** The folder where Node finds `name` from the package at `from`: beside it, else in the folders above. */
export function find(lock, from, name) {
  const parts = from.split('/');
  for (let n = parts.length; n >= 0; n--) {
    if (parts[n - 1] === 'node_modules') continue;
    const key = [...parts.slice(0, n), 'node_modules', name].join('/');
    if (lock[key]) return key;
  }
  return undefined;
}

/** Names that the package at `key` needs at run time. What is optional may be missing. */
export function neededBy(lock, key) {
  const { dependencies, optionalDependencies, peerDependencies } = lock[key];
  return Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies });
}

/** Folders of the packages and of the workspaces that `workspaces` need, themselves included, in order. Links are followed. */
export function productionFolders(lock, workspaces) {
  const found = new Set();
  const take = (key) => {
    if (found.has(key)) return;
    found.add(key);
    for (const name of neededBy(lock, key)) {
      const next = find(lock, key, name);
      if (next) take(lock[next].link ? lock[next].resolved : next);
    }
  };
  for (const workspace of workspaces) take(workspace);
  return [...found].toSorted();
}
