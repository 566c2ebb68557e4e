import { MINUTE_MS } from '@lastcall/kernel';
import type { HostCheck } from './check-module.js';

/** Further apart than this, times in reports and due times cannot be compared. */
export const MAX_CLOCK_DIFFERENCE_MS = 5 * MINUTE_MS;

export const clock: HostCheck = {
  name: 'clock',
  about: 'host',
  passesWhen: 'its clock differs by at most 5 minutes',
  ask: ({ facts: { clockAt }, at }) => {
    const difference = clockAt === undefined ? undefined : clockAt - at;
    const seconds = Math.round((difference ?? 0) / 1000);
    return [
      {
        asked: 'the clock differs by at most 5 minutes',
        needs: ['clock'],
        met: difference === undefined ? undefined : Math.abs(difference) <= MAX_CLOCK_DIFFERENCE_MS,
        found: `${Math.abs(seconds)} s ${seconds < 0 ? 'behind' : 'ahead'}`,
        remedy: 'Set the clock of the host, by NTP for example; an agent that does not say its time has to be updated',
      },
    ];
  },
};
