import { DAY_MS, HOUR_MS } from '@lastcall/kernel';
import { flag, whole, z } from '@lastcall/runtime';

/** Settings of `lastcall up` beyond those of its services. */
export const upSettings = z.object({
  /** A folder, which is there: where backups of Lastcall's own state go. LASTCALL_BACKUP_TO; empty: none are taken. */
  backupTo: z.string().default(''),
  /** From the beginning of one to that of the next. LASTCALL_BACKUP_EVERY_MS, 1 h to 30 days, default a day. */
  backupEveryMs: whole(HOUR_MS, 30 * DAY_MS).default(DAY_MS),
  /** So many of them are kept, the newest. LASTCALL_BACKUP_KEEP, default 7. */
  backupKeep: whole(1, 1_000).default(7),
  /** Signing keys and credentials too: whoever has such a backup is Lastcall to every host. LASTCALL_BACKUP_WITH_KEYS, default false. */
  backupWithKeys: flag.default(false),
});

export type UpSettings = z.infer<typeof upSettings>;
