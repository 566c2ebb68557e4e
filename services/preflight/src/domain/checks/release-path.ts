import type { InstallationCheck } from './check-module.js';

/** Asked before a run is opened; whoever opens one asks the catalog itself. */
export const releasePath: InstallationCheck = {
  name: 'release-path',
  about: 'installation',
  passesWhen: 'before a run: the catalog lets the installation take the release in one step',
  neverOverridden: 'only the versions that the vendor signed as steps may follow each other',
  ask: ({ occasion: { way, fromVersion } }) => {
    if (!way) return [];
    const what = way.version === '' ? 'the newest release of its channel' : `version ${way.version}`;
    return [
      {
        asked: `the installation may take ${what}`,
        met: way.isOpen,
        found: way.isOpen ? `in one step from ${fromVersion || 'none'}` : way.reason || 'the catalog knows no way',
        remedy: 'See the way that is open (lastcall update check) and edit the job',
      },
    ];
  },
};
