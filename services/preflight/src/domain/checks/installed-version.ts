import type { HostCheck } from './check-module.js';

export const installedVersion: HostCheck = {
  name: 'installed-version',
  about: 'host',
  passesWhen: 'the host has the version that the others have',
  neverOverridden: 'all hosts of an installation end on one version, and so they begin on one',
  ask: ({ occasion: { fromVersion, isCommand = false }, demands, facts }) => {
    if (!(demands || isCommand) || fromVersion === '') return [];
    const found = facts.installedVersion;
    return [
      {
        asked: `version ${fromVersion} is installed, as on the others`,
        needs: ['installed_version'],
        met: found === undefined ? undefined : found === fromVersion,
        found: found || 'none',
        remedy: 'Wait until the host has caught up, or install that version: lastcall-agent install',
      },
    ];
  },
};
