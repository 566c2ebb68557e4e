import { HOUR_MS, MINUTE_MS, SECOND_MS } from '@lastcall/kernel';
import { z } from '@lastcall/runtime';

const milliseconds = (min: number, max: number) => z.coerce.number().int().min(min).max(max);

/** Settings of the scheduler beyond the common ones. */
export const schedulerSettings = z.object({
  /** How long after its deadline a run is waited for before it is ended with an alarm. LASTCALL_HARD_END_MS, default 30 min. */
  hardEndMs: milliseconds(SECOND_MS, 24 * HOUR_MS).default(30 * MINUTE_MS),
});

export type SchedulerSettings = z.infer<typeof schedulerSettings>;
