import { catalogModule } from '@lastcall/catalog';
import { installerModule } from '@lastcall/installer';
import { isRejected, type Rejected } from '@lastcall/kernel';
import { preflightModule } from '@lastcall/preflight';
import { readSettings, startProcess, type Environment } from '@lastcall/runtime';
import { schedulerModule } from '@lastcall/scheduler';
import { sessionModule } from '@lastcall/session';
import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { lockDataFolder } from './data-folder-lock.js';
import { prepare, removeEndpoints, writeEndpoints } from './data-folder.js';

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
  /** Default: the process's. */
  readonly env?: Environment | undefined;
}

export interface RunningUp {
  readonly dataDir: string;
  /** `host:port`, as bound. */
  readonly grpcAddress: string;
  /** `http://host:port`. */
  readonly httpUrl: string;
  readonly operatorTokenFile: string;
  /** Ends the services in order and lets the data folder go. Safe twice. */
  stop(): Promise<void>;
}

/** Starts everything. Wrong settings and a data folder that another process uses are refused; nothing runs then. */
export async function startUp({ env, ...options }: UpOptions = {}): Promise<RunningUp | Rejected> {
  const settings = readSettings({ modules: MODULES, options, ...(env && { env }) });
  if (isRejected(settings)) return settings;
  const dataDir = resolve(settings.common.dataDir);
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const lock = lockDataFolder(dataDir);
  if (isRejected(lock)) return lock;
  try {
    const operatorTokenFile = await prepare(dataDir);
    const running = await startProcess({ modules: MODULES, settings });
    const { grpcAddress, httpUrl } = running;
    await writeEndpoints(dataDir, { grpc: grpcAddress, http: httpUrl });
    let stopping: Promise<void> | undefined;
    const stop = async (): Promise<void> => {
      await removeEndpoints(dataDir);
      await running.stop();
      lock.release();
    };
    return { dataDir, grpcAddress, httpUrl, operatorTokenFile, stop: () => (stopping ??= stop()) };
  } catch (error) {
    lock.release();
    throw error;
  }
}
