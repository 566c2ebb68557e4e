import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from '@lastcall/kernel';
import { z } from '@lastcall/runtime';

const milliseconds = (min: number, max: number) => z.coerce.number().int().min(min).max(max);

/** Settings of preflight beyond the common ones. */
export const preflightSettings = z.object({
  /**
   * How long hosts may take to report their facts, for which they read the release's manifest: longer than a catalog is away that is being
   * replaced. LASTCALL_FACTS_TIMEOUT_MS, default 45 s.
   */
  factsTimeoutMs: milliseconds(SECOND_MS, 10 * MINUTE_MS).default(45 * SECOND_MS),
  /** How long a backup may take. LASTCALL_BACKUP_TIMEOUT_MS, default 30 min. */
  backupTimeoutMs: milliseconds(SECOND_MS, 24 * 60 * MINUTE_MS).default(30 * MINUTE_MS),
  /** How long a restore on demand may take. LASTCALL_RESTORE_TIMEOUT_MS, default 30 min. */
  restoreTimeoutMs: milliseconds(SECOND_MS, 24 * 60 * MINUTE_MS).default(30 * MINUTE_MS),
  /** How long reports, and what is known of backups that are no more, are kept. LASTCALL_KEEP_REPORTS_MS, default 730 days. */
  keepReportsMs: milliseconds(DAY_MS, 36_500 * DAY_MS).default(730 * DAY_MS),
  /**
   * How long before its start a planned run is rehearsed, comma-separated milliseconds, up to 10; empty: never.
   * LASTCALL_REHEARSE_BEFORE_MS, default a day and an hour.
   */
  rehearseBeforeMs: z
    .string()
    .default(`${DAY_MS},${HOUR_MS}`)
    .transform((text) => (text === '' ? [] : text.split(',').map(Number)))
    .pipe(
      z
        .array(
          z
            .number()
            .int()
            .min(1)
            .max(30 * DAY_MS),
        )
        .max(10),
    ),
});

export type PreflightSettings = z.infer<typeof preflightSettings>;
