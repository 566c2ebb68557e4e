import type { Duty, ServiceContext } from '@lastcall/runtime';
import { pagesOf, type Store } from '@lastcall/store';
import { DUE, type Documents } from './documents.js';
import { PHASES, type Phase } from './domain/phases.js';

/*
 * What is under way, for whoever wants to be woken when it takes too long. Counted from the store, so that each replica says the same.
 */

const EVERY_MS = 5_000;
const PAGE = 500;

export interface RunGaugeParts {
  readonly store: Store;
  readonly documents: Pick<Documents, 'runs'>;
  readonly gauge: ServiceContext<object>['gauge'];
}

export function createRunGauge({ store, documents, gauge }: RunGaugeParts): Duty {
  return {
    name: 'run-gauge',
    everyMs: EVERY_MS,
    runOnce: async () => {
      const now = await store.now();
      const ages = new Map<Phase, number[]>();
      let overdueMs = 0;
      for await (const page of pagesOf(documents.runs, { index: DUE, limit: PAGE })) {
        for (const { state } of page.map(({ data }) => data)) {
          if (state.phase === 'none' || state.phase === 'ended') continue;
          ages.set(state.phase, [...(ages.get(state.phase) ?? []), now - state.spec.startedAt]);
          overdueMs = Math.max(overdueMs, now - state.spec.deadlineAt);
        }
      }
      for (const phase of PHASES) {
        const there = ages.get(phase) ?? [];
        gauge('runs', there.length, { phase });
        gauge('run_age_seconds', Math.max(0, ...there) / 1_000, { phase });
      }
      gauge('run_overdue_seconds', overdueMs / 1_000, {});
      return undefined;
    },
  };
}
