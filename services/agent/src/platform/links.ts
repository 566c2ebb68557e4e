import { rename, rm, symlink } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { exists, linkDurably, syncFolder } from '../files.js';

/*
 * How a link is led to another folder. POSIX replaces it by one rename. A junction of Windows cannot be replaced, so it steps aside first; whoever
 * looks between the two renames finds none, and the next call puts that right.
 */

export async function replaceLink(link: string, folder: string): Promise<void> {
  await linkDurably(link, relative(dirname(link), folder));
}

/** Junctions need an absolute target and no rights of an administrator, which symbolic links of Windows do. */
export async function replaceJunction(link: string, folder: string): Promise<void> {
  const [next, before] = [`${link}.next`, `${link}.before`];
  await settleJunction(link);
  await rm(next, { force: true });
  await symlink(folder, next, 'junction');
  if (await isThere(link)) await rename(link, before);
  await rename(next, link);
  await rm(before, { force: true });
  syncFolder(dirname(link));
}

/** After a break: without a link the old one comes back; with one, what stands beside it goes. */
export async function settleJunction(link: string): Promise<void> {
  const before = `${link}.before`;
  if (!(await isThere(before))) return;
  if (await isThere(link)) await rm(before, { force: true });
  else await rename(before, link);
}

async function isThere(path: string): Promise<boolean> {
  return exists(join(dirname(path), basename(path)));
}
