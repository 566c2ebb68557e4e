import { MINUTE_MS } from '@lastcall/kernel';
import type { Store } from '@lastcall/store';
import { createClaims } from '../claims.js';
import { jobDocumentId, openDocuments, type JobDocument } from '../documents.js';
import { createClaimer } from '../duties.js';
import { sampleDefinition } from './sample-definition.js';

/*
 * The decision which jobs are due, on a store of its own, without the service around it: to be measured.
 */

export interface Claiming {
  /** Enabled daily jobs, each of its own installation; `dueAt` in ms since the epoch. */
  fill(count: number, dueAt: (n: number) => number): Promise<void>;
  /** One round of the duty; answers when the next job is due, if that is known. */
  claimOnce(): Promise<number | undefined>;
  /** Due times and when their firing was written, in ms since the epoch, of all firings since the last call. */
  claimed(): readonly { readonly dueAt: number; readonly at: number }[];
}

const PAGE = 1_000;

export async function openClaiming(store: Store): Promise<Claiming> {
  const documents = await openDocuments(store);
  const claims = createClaims({ store, documents });
  let claimed: { dueAt: number; at: number }[] = [];
  let filled = 0;
  const claimer = createClaimer(store, documents, async (due) => {
    await claims.claim(due);
    const at = Date.now();
    for (const { data } of due) if (data.state.phase === 'enabled') claimed.push({ dueAt: data.state.dueAt, at });
  });
  const { signal } = new AbortController();
  return {
    fill: async (count, dueAt) => {
      for (let from = 0; from < count; from += PAGE) {
        const page = Array.from({ length: Math.min(PAGE, count - from) }, (_, i) => {
          const data = dailyJob(`site-${filled++}`, dueAt(from + i));
          return { id: jobDocumentId(data.installation, data.job), data };
        });
        await documents.jobs.insertMany(page);
      }
    },
    claimOnce: async () => (await claimer.runOnce(signal)) ?? undefined,
    claimed: () => {
      const taken = claimed;
      claimed = [];
      return taken;
    },
  };
}

function dailyJob(installation: string, dueAt: number): JobDocument {
  const definition = sampleDefinition({
    ...{ type: 'data-backup', runIfLateWithinMs: 15 * MINUTE_MS },
    start: { kind: 'series', cron: '0 3 * * *' },
  });
  const state = { phase: 'enabled', definition, revision: 1, dueAt, enabledBy: 'anna' } as const;
  const more = { product: 'encore', kind: 'multi-user', timeZone: 'Europe/Berlin' } as const;
  return { installation, job: 'nightly', state, ...more, createdAt: 0, confirmedCautions: [] };
}
