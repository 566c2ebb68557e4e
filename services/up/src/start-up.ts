import { catalogModule } from '@lastcall/catalog';
import { installerModule } from '@lastcall/installer';
import { isRejected, type Rejected } from '@lastcall/kernel';
import { preflightModule } from '@lastcall/preflight';
import { IDENTITY_FILES, readSettings, startProcess, type Environment, type ProcessOptions } from '@lastcall/runtime';
import { schedulerModule } from '@lastcall/scheduler';
import { sessionModule } from '@lastcall/session';
import { createHash, createPublicKey } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { lockDataFolder } from './data-folder-lock.js';
import { prepare, removeEndpoints, writeEndpoints } from './data-folder.js';
import { upSettings, type UpSettings } from './settings.js';
import { openBackupFolder } from './state/backup-folder.js';
import { createRegularBackups } from './state/regular-backups.js';

/*
 * All five services in one process, for one site. Owns the data folder of that process and what it leaves there for others;
 * everything else is the runtime's.
 */

const MODULES = [catalogModule, schedulerModule, preflightModule, sessionModule, installerModule];

export interface UpOptions {
  /** Default: the setting, `./lastcall-data`. */
  readonly dataDir?: string | undefined;
  /** Default: the setting, 127.0.0.1:7421. Port 0: any free one. */
  readonly grpcAddress?: string | undefined;
  /** Default: the setting, 127.0.0.1:7420. Port 0: any free one. */
  readonly httpAddress?: string | undefined;
  /** Default: the setting, none: where backups of its own state go. */
  readonly backupTo?: string | undefined;
  /** Default: the setting, a day. */
  readonly backupEveryMs?: number | undefined;
  /** Default: the setting, 7. */
  readonly backupKeep?: number | undefined;
  /** Default: the setting, false. */
  readonly backupWithKeys?: boolean | undefined;
  /** Default: the process's. */
  readonly env?: Environment | undefined;
}

export interface PlannedBackups {
  readonly to: string;
  readonly everyMs: number;
  readonly keep: number;
  readonly keys: boolean;
  /** Why none can be taken as it is now; empty: one can. */
  readonly problem: string;
}

export interface RunningUp {
  readonly dataDir: string;
  /** `host:port`, as bound. */
  readonly grpcAddress: string;
  /** `http://host:port`. */
  readonly httpUrl: string;
  readonly operatorTokenFile: string;
  /** Of its own state; undefined: it takes none. */
  readonly backups: PlannedBackups | undefined;
  /** Ends the services in order and lets the data folder go. Safe twice. */
  stop(): Promise<void>;
}

/** Starts everything. Wrong settings and a data folder that another process uses are refused; nothing runs then. */
export async function startUp({ env, ...options }: UpOptions = {}): Promise<RunningUp | Rejected> {
  const settings = readSettings({ modules: MODULES, program: upSettings, options, ...(env && { env }) });
  if (isRejected(settings)) return settings;
  const dataDir = resolve(settings.common.dataDir);
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const lock = lockDataFolder(dataDir);
  if (isRejected(lock)) return lock;
  try {
    const operatorTokenFile = await prepare(dataDir);
    const { backups, ...duty } = await planBackups(dataDir, settings.program);
    const running = await startProcess({ modules: MODULES, settings, ...duty });
    const { grpcAddress, httpUrl } = running;
    await writeEndpoints(dataDir, { grpc: grpcAddress, http: httpUrl });
    let stopping: Promise<void> | undefined;
    const stop = async (): Promise<void> => {
      await removeEndpoints(dataDir);
      await running.stop();
      lock.release();
    };
    return { dataDir, grpcAddress, httpUrl, operatorTokenFile, backups, stop: () => (stopping ??= stop()) };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** Looks at the folder before anything else does, for whoever sits before the terminal. */
async function planBackups(
  dataDir: string,
  settings: UpSettings,
): Promise<Pick<RunningUp, 'backups'> & Pick<ProcessOptions, 'duty'>> {
  const { backupTo, backupEveryMs: everyMs, backupKeep: keep, backupWithKeys: keys } = settings;
  if (backupTo === '') return { backups: undefined };
  const folder = openBackupFolder(resolve(backupTo), dataDir, await ownerOf(dataDir));
  const options = { dataDir, folder, everyMs, keep, keys, now: Date.now };
  return {
    backups: { to: folder.dir, everyMs, keep, keys, problem: (await folder.problem()) ?? '' },
    duty: (context) => createRegularBackups({ ...options, ...context }),
  };
}

/** The same after a restore, and nowhere else: by the key that it signs with. */
async function ownerOf(dataDir: string): Promise<string> {
  const key = createPublicKey(await readFile(join(dataDir, 'identity', IDENTITY_FILES.signingKey)));
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex')
    .slice(0, 12);
}
