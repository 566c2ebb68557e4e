import type { UpdateCheck } from './update-check.js';
import type { Candidate } from './update-path.js';
import { compareVersions, isNewer } from './version.js';

/*
 * "May I go back to it?" Only on purpose, and never with data that the older version may not be able to read.
 */

/** A release of any state, as far as the way back needs it. */
export interface PastRelease {
  readonly version: string;
  readonly changesData: boolean;
}

const NAME_IT = 'name a restore point that its data is brought back from (lastcall backup list, then --data-from)';

/**
 * Whether the installation may go back to a published older version. Versions in between that changed the data, the installed one included,
 * whatever became of them since, make it need a restore point.
 */
export function checkDowngrade(
  installed: string,
  wanted: string,
  published: readonly Candidate[],
  all: readonly PastRelease[],
  dataFrom: string,
): UpdateCheck {
  const no = (reason: string): UpdateCheck => ({ version: undefined, reason, path: [], target: wanted });
  const yes: UpdateCheck = { version: wanted, reason: '', path: [wanted], target: wanted };
  if (!published.some(({ version }) => version === wanted)) return no(`${wanted} is not a published release`);
  if (installed === '') return no('it is not known which version is installed');
  if (!isNewer(installed, wanted)) return no(`${wanted} is not older than ${installed}, which is installed`);
  if (dataFrom !== '') return yes;
  if (!all.some(({ version }) => version === installed)) {
    return no(`what ${installed} did to the data is not known; ${NAME_IT}`);
  }
  const changed = all
    .filter((r) => r.changesData && isNewer(r.version, wanted) && !isNewer(r.version, installed))
    .map(({ version }) => version)
    .toSorted(compareVersions);
  if (changed.length === 0) return yes;
  return no(`${changed.join(', ')} changed the data, and ${wanted} may not be able to read it; ${NAME_IT}`);
}
