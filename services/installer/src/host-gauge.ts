import type { HostRole } from '@lastcall/kernel';
import type { Duty, ServiceContext } from '@lastcall/runtime';
import { pagesOf, type Store } from '@lastcall/store';
import { BY_INSTALLATION, DUE, isConnected, type Documents } from './documents.js';

/* Hosts, and what they still have to download, for whoever looks at the fleet. Counted from the store, so that each replica says the same. */

const EVERY_MS = 5_000;
const PAGE = 500;
const ROLES: readonly HostRole[] = ['server', 'terminal-server', 'workstation'];
/** Step of an agent that downloads. */
const DOWNLOAD = 'download';

export interface HostGaugeParts {
  readonly store: Store;
  readonly documents: Pick<Documents, 'hosts' | 'queues'>;
  readonly gauge: ServiceContext<object>['gauge'];
}

export function createHostGauge({ store, documents: { hosts, queues }, gauge }: HostGaugeParts): Duty {
  return {
    name: 'host-gauge',
    everyMs: EVERY_MS,
    runOnce: async () => {
      const now = await store.now();
      const counts = new Map<string, number>();
      for await (const page of pagesOf(hosts, { index: BY_INSTALLATION, limit: PAGE })) {
        for (const { data } of page) {
          const key = `${data.role} ${isConnected(data, now)}`;
          counts.set(key, (counts.get(key) ?? 0) + 1);
        }
      }
      for (const role of ROLES) {
        for (const connected of ['true', 'false']) {
          gauge('hosts', counts.get(`${role} ${connected}`) ?? 0, { role, connected });
        }
      }
      let bytes = 0;
      // Whoever is at an order has a due time.
      for await (const page of pagesOf(queues, { index: DUE, limit: PAGE })) {
        for (const { progress } of page.map(({ data }) => data)) {
          if (progress?.step === DOWNLOAD) bytes += Math.max(0, progress.total - progress.done);
        }
      }
      gauge('staging_bytes', bytes, {});
      return undefined;
    },
  };
}
