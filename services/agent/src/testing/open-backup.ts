import { createBackups, type OpenBackup } from '../backups.js';
import { layoutOf } from '../layout.js';

/** What a restore point of a host holds, brought back into its scratch folder; to be closed. */
export function openBackup(dataDir: string, restorePoint: string): Promise<OpenBackup> {
  return createBackups(layoutOf(dataDir)).open(restorePoint, new AbortController().signal);
}
