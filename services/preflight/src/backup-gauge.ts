import { catalogV1, hostRole } from '@lastcall/contracts';
import type { Duty, ServiceContext } from '@lastcall/runtime';
import { newestProven, type Documents } from './documents.js';

/* The age of backups, for whoever wants to be woken when nothing could be brought back. */

const EVERY_MS = 5 * 60_000;
const MAX_AGE_MS = 48 * 3_600_000;

type Context = Pick<ServiceContext<object>, 'store' | 'client' | 'gauge'>;

export function createBackupGauge(context: Context, documents: Documents): Duty {
  const catalog = context.client(catalogV1.CatalogServiceService);

  /** Those that have data: without a server there is nothing to back up. */
  async function* installations(): AsyncGenerator<string> {
    let pageToken = '';
    do {
      const request = catalogV1.ListInstallationsRequest.fromPartial({ pageSize: 1_000, pageToken });
      const page = await catalog.listInstallations(request);
      for (const { name, hosts } of page.installations) {
        if (hosts.some(({ role }) => hostRole.fromWire(role) === 'server')) yield name.slice('installations/'.length);
      }
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
  }

  return {
    name: 'backup-gauge',
    everyMs: EVERY_MS,
    runOnce: async () => {
      const now = await context.store.now();
      let [without, oldestMs] = [0, 0];
      for await (const installation of installations()) {
        const takenAt = (await newestProven(documents, installation))?.takenAt;
        if (takenAt === undefined || now - takenAt > MAX_AGE_MS) without++;
        if (takenAt !== undefined) oldestMs = Math.max(oldestMs, now - takenAt);
      }
      context.gauge('installations_without_backup', without, {});
      context.gauge('backup_age_seconds', oldestMs / 1_000, {});
      return undefined;
    },
  };
}
