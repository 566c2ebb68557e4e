import { isRejected, MINUTE_MS, type Rejected } from '@lastcall/kernel';
import type { ProgramContext, ProgramDuty } from '@lastcall/runtime';
import { join } from 'node:path';
import type { BackUpOptions } from './back-up.js';
import { backUpInThread, type Taken } from './back-up-in-thread.js';
import type { BackupFolder, RegularBackup } from './backup-folder.js';

/*
 * Backups of Lastcall's own state that it takes by itself. When the next is due is read from the newest that is there, nothing else
 * remembers it: a restart neither skips one nor takes one twice. What stands in the way is said, and tried again; it stops nothing else.
 */

/** Also how soon a folder that has gone away is noticed. */
const LOOK_MS = 10 * MINUTE_MS;

export interface RegularBackupsOptions extends ProgramContext {
  readonly dataDir: string;
  readonly folder: BackupFolder;
  readonly everyMs: number;
  readonly keep: number;
  readonly keys: boolean;
  readonly now: () => number;
  /** Default: in a thread of its own. */
  readonly backUp?: (options: BackUpOptions, signal: AbortSignal) => Promise<Taken | Rejected>;
}

export function createRegularBackups(options: RegularBackupsOptions): ProgramDuty {
  const { dataDir, folder, log, gauge } = options;
  const to = folder.dir;
  /** Found by the look that is under way; and by the last one that ended. */
  let found: RegularBackup | undefined;
  let newest: RegularBackup | undefined;
  let problem = '';

  /** A clock that was ahead once has left backups of times to come. They do not put off the next one. */
  const dueAt = (there: readonly RegularBackup[], now: number): number => {
    found = there.find(({ at }) => at <= now);
    return found === undefined ? now : found.at + options.everyMs;
  };

  async function take(before: RegularBackup | undefined, signal: AbortSignal): Promise<void> {
    const path = folder.pathOf(options.now());
    const blobsLike = before && join(to, before.name);
    const backUp = options.backUp ?? backUpInThread;
    const taken = await backUp({ dataDir, to: path, keys: options.keys, blobsLike }, signal);
    if (isRejected(taken)) throw new Error(taken.message);
    log.info({ folder: path, ...taken }, 'backed up its own state');
  }

  async function removeSurplus(there: readonly RegularBackup[]): Promise<void> {
    for (const backup of there.slice(options.keep)) {
      await folder.remove(backup);
      log.info({ folder: join(to, backup.name) }, 'removed an old backup of its own state');
    }
  }

  async function look(signal: AbortSignal): Promise<number> {
    const wrong = await folder.problem();
    if (wrong !== undefined) throw new Error(wrong);
    await folder.clean();
    let next = dueAt(await folder.list(), options.now());
    if (next <= options.now()) {
      await take(found, signal);
      next = dueAt(await folder.list(), options.now());
    }
    await removeSurplus(await folder.list());
    return next;
  }

  function report(now: string, error?: unknown): void {
    if (now !== problem && now !== '') log.error({ err: error, to }, 'cannot back up its own state');
    if (now === '' && problem !== '') log.info({ to }, 'can back up its own state again');
    problem = now;
    newest = found;
    gauge('state_backup_failed', now === '' ? 0 : 1);
    gauge('state_backup_seconds', newest === undefined ? 0 : newest.at / 1_000);
  }

  return {
    name: 'backup of its own state',
    everyMs: LOOK_MS,
    runOnce: async (signal) => {
      try {
        const next = await look(signal);
        report('');
        return next;
      } catch (error) {
        if (!signal.aborted) report(error instanceof Error ? error.message : String(error), error);
        return undefined;
      }
    },
    state: () => ({ stateBackupProblem: problem, ...(newest && { stateBackupTime: new Date(newest.at) }) }),
  };
}
