import { isAtLeast } from '../versions.js';
import type { HostCheck } from './check-module.js';

export const dataVersion: HostCheck = {
  name: 'data-version',
  about: 'host',
  passesWhen: 'on the server: its data are of the oldest version that the release can take over, or newer',
  neverOverridden: 'the release cannot take over older data, whoever wants it',
  ask: ({ occasion: { fromVersion }, demands, host }) => {
    if (!demands || host.role !== 'server' || demands.dataVersion === '') return [];
    return [
      {
        asked: `data of version ${demands.dataVersion} or newer`,
        needs: ['installed_version'],
        met: fromVersion === '' ? undefined : isAtLeast(fromVersion, demands.dataVersion),
        found: fromVersion,
        remedy: `Update to a version between first; ${demands.version} cannot take over older data`,
      },
    ];
  },
};
