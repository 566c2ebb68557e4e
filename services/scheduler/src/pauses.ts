import { reject, type Rejected } from '@lastcall/kernel';
import type { Store } from '@lastcall/store';
import { localTimeOf } from './calendar.js';
import type { Documents, Pause } from './documents.js';

/*
 * Pauses of installations: while one lasts, nothing starts. It ends by itself, by the store's clock: nobody has to be there for that.
 */

export interface Pauses {
  /** The pause that lasts now. */
  of(installation: string): Promise<Pause | undefined>;
  begin(installation: string, pause: Pause): Promise<void>;
  /** Harmless when there is none. */
  end(installation: string): Promise<void>;
}

export function createPauses(store: Store, { pauses }: Documents): Pauses {
  return {
    of: async (installation) => {
      const pause = (await pauses.get(installation))?.data.pause;
      return pause && pause.endsAt > (await store.now()) ? pause : undefined;
    },
    begin: async (installation, pause) => {
      await pauses.change(installation, () => ({ write: { pause }, result: undefined }));
    },
    end: async (installation) => {
      await pauses.change(installation, (current) =>
        current?.pause ? { write: {}, result: undefined } : { keep: undefined },
      );
    },
  };
}

/** For records and explanations. */
export function pauseText({ by, endsAt, reason, timeZone }: Pause): string {
  const until = localTimeOf(endsAt, timeZone).slice(0, 16).replace('T', ' ');
  return `${by} has paused all jobs of the installation until ${until} (${timeZone}): ${reason}`;
}

export function refusedByPause(pause: Pause): Rejected {
  const message = `${pauseText(pause)}. Wait for its end, or end it: lastcall job resume`;
  return reject('refused', 'JOBS_PAUSED', message, { facts: { until: new Date(pause.endsAt).toISOString() } });
}
