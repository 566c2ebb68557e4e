import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from '@lastcall/kernel';
import { z } from '@lastcall/runtime';

const milliseconds = (min: number, max: number) => z.coerce.number().int().min(min).max(max);

/** Settings of the scheduler beyond the common ones. */
export const schedulerSettings = z.object({
  /** How long after its deadline a run is waited for before it is ended with an alarm. LASTCALL_HARD_END_MS, default 30 min. */
  hardEndMs: milliseconds(SECOND_MS, 24 * HOUR_MS).default(30 * MINUTE_MS),
  /** The session service's setting of this name: how long a gate stays shut for a run that nobody leads. Default 30 s. */
  gateLeaseMs: milliseconds(500, HOUR_MS).default(30 * SECOND_MS),
  /** Server for mail to notification targets, `smtp://user:password@host:port` or `smtps://…`. LASTCALL_SMTP_URL; empty: no mail. */
  smtpUrl: z
    .string()
    .refine((url) => url === '' || (URL.canParse(url) && /^smtps?:$/.test(new URL(url).protocol)), {
      error: 'must be smtp://… or smtps://…',
    })
    .default(''),
  /** Sender of that mail. LASTCALL_SMTP_FROM, default `lastcall@localhost`. */
  smtpFrom: z.string().min(3).max(254).default('lastcall@localhost'),
  /** Longest delay after the first failed attempt of a notification; doubles with each, up to an hour. LASTCALL_NOTIFY_RETRY_MS, default 10 s. */
  notifyRetryMs: milliseconds(10, HOUR_MS).default(10 * SECOND_MS),
  /** How long a target may take to answer. LASTCALL_NOTIFY_TIMEOUT_MS, default 10 s. */
  notifyTimeoutMs: milliseconds(100, MINUTE_MS).default(10 * SECOND_MS),
  /** How long ended runs, their reports and decided firings are kept. LASTCALL_KEEP_RUNS_MS, default 2 years. */
  keepRunsMs: milliseconds(DAY_MS, 36_500 * DAY_MS).default(730 * DAY_MS),
});

export type SchedulerSettings = z.infer<typeof schedulerSettings>;
