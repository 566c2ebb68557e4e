import { lstat, mkdir, readdir, realpath, rename, rm, rmdir, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { DATABASES, hasManifest } from './manifest.js';
import { removeUnfinished } from './whole-folder.js';

/*
 * The folder that regular backups go to. Owns their names, by which they are found again and told from what others have put there:
 * `lastcall-{owner}-{time}`. Two Lastcalls may share a folder; one that was renamed is nobody's any more and stays.
 */

/** One of ours, whole. */
export interface RegularBackup {
  readonly name: string;
  /** When it was begun, milliseconds since the epoch. */
  readonly at: number;
}

export interface BackupFolder {
  readonly dir: string;
  /** Why nothing can be written there now, and what to do; undefined: it can. */
  problem(): Promise<string | undefined>;
  /** Newest first. */
  list(): Promise<readonly RegularBackup[]>;
  pathOf(at: number): string;
  /** What a crash, or a backup that was broken off, has left. */
  clean(): Promise<void>;
  remove(backup: RegularBackup): Promise<void>;
}

/** `owner`: what backups of this Lastcall are told by, `[0-9a-f]+`. */
export function openBackupFolder(dir: string, dataDir: string, owner: string): BackupFolder {
  const prefix = `lastcall-${owner}-`;
  const unfinished = (name: string): boolean => name.startsWith(`.${prefix}`) && name.endsWith('.unfinished');
  return {
    dir,
    problem: async () =>
      (await problemOfPlace(dir, dataDir)) ??
      (await problemOfWriting(dir, `.${prefix}try.unfinished`)) ??
      (await problemOfRoom(dir, dataDir)),
    list: async () => {
      const found: RegularBackup[] = [];
      for (const name of await readdir(dir)) {
        const at = name.startsWith(prefix) ? timeOf(name.slice(prefix.length)) : undefined;
        if (at !== undefined && (await hasManifest(join(dir, name)))) found.push({ name, at });
      }
      return found.toSorted((a, b) => b.at - a.at);
    },
    pathOf: (at) => join(dir, prefix + textOf(at)),
    clean: () => removeUnfinished(dir, unfinished),
    // Under the name of something unfinished first, so that half of a backup never looks like one.
    remove: async ({ name }) => {
      const away = join(dir, `.${name}.unfinished`);
      await rename(join(dir, name), away);
      await rm(away, { recursive: true });
    },
  };
}

/** `20261129T021500Z`. */
function textOf(at: number): string {
  return new Date(at).toISOString().replaceAll(/[-:]|\.\d+/g, '');
}

function timeOf(text: string): number | undefined {
  const iso = text.replace(/^(\d{4})(\d\d)(\d\dT\d\d)(\d\d)(\d\dZ)$/, '$1-$2-$3:$4:$5');
  const at = Date.parse(iso);
  return iso !== text && !Number.isNaN(at) ? at : undefined;
}

async function problemOfPlace(dir: string, dataDir: string): Promise<string | undefined> {
  try {
    if (!(await stat(dir)).isDirectory()) return `${dir} is no folder; name one`;
    const [real, data] = await Promise.all([realpath(dir), realpath(dataDir)]);
    if (!`${real}/`.startsWith(`${data}/`)) return undefined;
    return `${dir} is in the data folder that is to be backed up; name one outside, best on another disk`;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ENOENT'
      ? `${dir} is not there; make it, or mount its disk`
      : `${dir} cannot be looked at (${code ?? message}); give it to the user that Lastcall runs as`;
  }
}

/** Only an attempt says it: a disk may be read-only, and root is let through by permissions alone. */
async function problemOfWriting(dir: string, name: string): Promise<string | undefined> {
  const attempt = join(dir, name);
  try {
    await mkdir(attempt, { recursive: true });
    await rmdir(attempt);
    return undefined;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ENOSPC' || code === 'EDQUOT'
      ? `the disk of ${dir} is full; free some space`
      : `${dir} cannot be written to (${code ?? message}); give it to the user that Lastcall runs as`;
  }
}

/** The databases alone; undefined: there is room for them. */
async function problemOfRoom(dir: string, dataDir: string): Promise<string | undefined> {
  const { bavail, bsize } = await statfs(dir);
  let needed = 0;
  for (const name of DATABASES)
    needed += await lstat(join(dataDir, name)).then(
      ({ size }) => size,
      () => 0,
    );
  if (bavail * bsize > needed) return undefined;
  const mib = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`;
  return `the disk of ${dir} is full: ${mib(bavail * bsize)} are free, and a backup takes more than ${mib(needed)}; free some space`;
}
