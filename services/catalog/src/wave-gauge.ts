import type { Duty, ServiceContext } from '@lastcall/runtime';
import { ALL, type Documents } from './documents.js';
import type { KnownWave } from './domain/wave.js';

/*
 * How many waves there are in each state, for whoever wants to be woken when one has stopped. Counted from the store, so that each replica
 * says the same, after a restart too.
 */

const EVERY_MS = 5_000;
/** The newest: what is older has ended long ago. */
const COUNTED = 1_000;
const STATES: readonly KnownWave['state'][] = ['running', 'stopped', 'done', 'aborted'];

export function createWaveGauge({ waves }: Pick<Documents, 'waves'>, gauge: ServiceContext<object>['gauge']): Duty {
  return {
    name: 'wave-gauge',
    everyMs: EVERY_MS,
    runOnce: async () => {
      const query = { index: ALL, where: { all: true }, order: 'descending', limit: COUNTED } as const;
      const { items } = await waves.query(query);
      for (const state of STATES) gauge('waves', items.filter(({ data }) => data.state === state).length, { state });
      return undefined;
    },
  };
}
