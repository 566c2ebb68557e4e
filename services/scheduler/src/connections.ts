import { formatName, installerV1 } from '@lastcall/contracts';
import type { ServiceContext } from '@lastcall/runtime';
import type { SchedulerSettings } from './settings.js';

/*
 * Which hosts answer at the moment. Good to have and no more: preflight decides when the time comes, and when the installer cannot tell, nothing
 * is said.
 */

/** Hosts of an installation whose agent is not connected now. */
export type Unconnected = (installation: string) => Promise<readonly string[]>;

const TIMEOUT_MS = 2_000;
const MOST = 1_000;

export function createUnconnected(context: ServiceContext<SchedulerSettings>): Unconnected {
  const client = context.client(installerV1.InstallerServiceService);
  return async (installation) => {
    const parent = formatName('installation', { installation });
    try {
      const { hosts } = await client.listHosts({ parent, pageSize: MOST, pageToken: '' }, { timeoutMs: TIMEOUT_MS });
      return hosts.filter(({ connected }) => !connected).map(({ name }) => name.slice(name.lastIndexOf('/') + 1));
    } catch (err) {
      context.log.warn({ err, installation }, 'the installer could not say which hosts are connected');
      return [];
    }
  };
}
