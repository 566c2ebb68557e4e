import { HOUR_MS, MINUTE_MS, SECOND_MS } from '@lastcall/kernel';
import { z } from '@lastcall/runtime';

const milliseconds = (min: number, max: number) => z.coerce.number().int().min(min).max(max);

/** Settings of the scheduler beyond the common ones. */
export const schedulerSettings = z.object({
  /** How long after its deadline a run is waited for before it is ended with an alarm. LASTCALL_HARD_END_MS, default 30 min. */
  hardEndMs: milliseconds(SECOND_MS, 24 * HOUR_MS).default(30 * MINUTE_MS),
  /** The session service's setting of this name: how long a gate stays shut for a run that nobody leads. Default 30 s. */
  gateLeaseMs: milliseconds(500, HOUR_MS).default(30 * SECOND_MS),
});

export type SchedulerSettings = z.infer<typeof schedulerSettings>;
