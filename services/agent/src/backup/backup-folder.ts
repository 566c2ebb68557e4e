import { reject, RejectedError } from '@lastcall/kernel';
import { realpathSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, sep } from 'node:path';
import type { HostRecord } from '../host-record.js';
import type { Layout } from '../layout.js';

/*
 * Where restore points lie: `backups` in the data folder, or a folder that the host was told, on another disk for example. Never in a folder that
 * an update, a restore or the application itself writes to: what brings data back must not go with it.
 */

/** The layout of this host. Throws where its folder for backups cannot be one. */
export function withBackupsFolder(layout: Layout, { backupsFolder }: HostRecord): Layout {
  if (backupsFolder === undefined) return layout;
  checkBackupsFolder(layout, backupsFolder);
  return { ...layout, backups: backupsFolder };
}

export function checkBackupsFolder(layout: Layout, folder: string): void {
  if (!isAbsolute(folder)) throw refused(folder, 'is not an absolute path');
  const real = realPath(folder);
  const root = realPath(layout.root);
  if (isWithin(real, realPath(layout.backups))) return;
  if (isWithin(real, root))
    throw refused(
      folder,
      `lies in the data folder of the agent (${layout.root}), where the application and its versions are`,
    );
  if (isWithin(root, real)) throw refused(folder, `holds the data folder of the agent (${layout.root})`);
}

/** With every link followed, as far as the path exists. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    const parent = dirname(path);
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || parent === path) throw error;
    return join(realPath(parent), relative(parent, path));
  }
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : `${folder}${sep}`);
}

function refused(folder: string, why: string): RejectedError {
  const message = `The folder for backups ${folder} ${why}; name a folder outside, such as /var/backups/lastcall.`;
  return new RejectedError(reject('invalid', 'BAD_BACKUPS_FOLDER', message));
}
