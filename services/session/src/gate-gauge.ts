import type { Duty, ServiceContext } from '@lastcall/runtime';
import { pagesOf, type Store } from '@lastcall/store';
import { CHANGED, type Documents } from './documents.js';
import { hasAlarm, type PhaseName } from './domain/gate-state.js';

/*
 * Gates and sessions, for whoever wants to be woken. Gates are counted from the store, so that each replica says the same; sessions are those of
 * this process.
 */

const EVERY_MS = 5_000;
const PAGE = 500;
/** Each is said, also when there is none: a gauge keeps what it was told last. */
const PHASES: readonly PhaseName[] = [
  'open',
  'shutting',
  'closing',
  'draining',
  'drained',
  'confirming',
  'confirmed',
  'reopening',
  'quarantined',
];

export interface GateGaugeParts {
  readonly store: Store;
  readonly documents: Pick<Documents, 'gates'>;
  readonly roster: { readonly size: number };
  readonly gauge: ServiceContext<object>['gauge'];
}

export function createGateGauge({ store, documents, roster, gauge }: GateGaugeParts): Duty {
  return {
    name: 'gate-gauge',
    everyMs: EVERY_MS,
    runOnce: async () => {
      gauge('sessions', roster.size, {});
      const now = await store.now();
      const counts = new Map<PhaseName, number>();
      let [alarms, shutMs] = [0, 0];
      for await (const page of pagesOf(documents.gates, { index: CHANGED, limit: PAGE })) {
        for (const { gate } of page.map(({ data }) => data)) {
          counts.set(gate.phase, (counts.get(gate.phase) ?? 0) + 1);
          if (hasAlarm(gate)) alarms++;
          if (gate.phase !== 'open') shutMs = Math.max(shutMs, now - gate.closedAt);
        }
      }
      for (const phase of PHASES) gauge('gates', counts.get(phase) ?? 0, { phase });
      gauge('gates_in_alarm', alarms, {});
      gauge('gate_shut_seconds', shutMs / 1_000, {});
      return undefined;
    },
  };
}
