import { compareVersions, isNewer } from './version.js';

/*
 * "Is there something newer for me, and may I take it?" The newest release of the channel may need a version in between;
 * then the newest that can be taken now is the answer, with the reason why not the newest.
 */

/** A published release, as far as this question needs it. */
export interface Candidate {
  readonly version: string;
  readonly channels: readonly string[];
  readonly updatesFrom: string;
  readonly requiredVersions: readonly string[];
}

export interface UpdateCheck {
  /** Newest version that can be taken now; undefined when there is none. */
  readonly version: string | undefined;
  /** Why it is not the newest of the channel, or why there is none; empty when it is the newest. */
  readonly reason: string;
}

/** Why this installed version cannot update to the release by itself, or undefined. */
export function obstacle(installed: string, release: Candidate): string | undefined {
  // Nothing is installed: there is neither data nor a version that could be too old.
  if (installed === '') return undefined;
  if (release.updatesFrom !== '' && isNewer(release.updatesFrom, installed)) {
    return `${release.version} updates from ${release.updatesFrom} or newer, and ${installed} is installed`;
  }
  const missing = release.requiredVersions
    .filter((required) => isNewer(required, installed) && isNewer(release.version, required))
    .toSorted(compareVersions);
  return missing[0] === undefined
    ? undefined
    : `${release.version} needs ${missing[0]} to be installed first, and ${installed} is installed`;
}

/** Whether one version, asked for by its number, can be taken: published, newer, and no obstacle. Channels do not matter then. */
export function checkVersion(installed: string, wanted: string, published: readonly Candidate[]): UpdateCheck {
  const release = published.find(({ version }) => version === wanted);
  if (!release) return { version: undefined, reason: `${wanted} is not a published release` };
  if (installed !== '' && !isNewer(wanted, installed)) {
    return { version: undefined, reason: `${wanted} is not newer than ${installed}, which is installed` };
  }
  const reason = obstacle(installed, release);
  return { version: reason === undefined ? wanted : undefined, reason: reason ?? '' };
}

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
  const no = (reason: string): UpdateCheck => ({ version: undefined, reason });
  if (!published.some(({ version }) => version === wanted)) return no(`${wanted} is not a published release`);
  if (installed === '') return no('it is not known which version is installed');
  if (!isNewer(installed, wanted)) return no(`${wanted} is not older than ${installed}, which is installed`);
  if (dataFrom !== '') return { version: wanted, reason: '' };
  if (!all.some(({ version }) => version === installed)) {
    return no(`what ${installed} did to the data is not known; ${NAME_IT}`);
  }
  const changed = all
    .filter((r) => r.changesData && isNewer(r.version, wanted) && !isNewer(r.version, installed))
    .map(({ version }) => version)
    .toSorted(compareVersions);
  if (changed.length === 0) return { version: wanted, reason: '' };
  return no(`${changed.join(', ')} changed the data, and ${wanted} may not be able to read it; ${NAME_IT}`);
}

/** `head` is the newest version that the channel offers; empty: it offers none. */
export function checkUpdate(
  installed: string,
  channel: { readonly name: string; readonly head: string },
  published: readonly Candidate[],
): UpdateCheck {
  const offered = published
    .filter((release) => release.channels.includes(channel.name) && channel.head !== '')
    .filter((release) => !isNewer(release.version, channel.head))
    .toSorted((a, b) => compareVersions(b.version, a.version));
  const newest = offered[0];
  if (!newest) return { version: undefined, reason: `channel ${channel.name} has no release` };
  const newer = offered.filter((release) => installed === '' || isNewer(release.version, installed));
  if (newer.length === 0) {
    const description =
      installed === newest.version ? 'is the newest' : `is not older than ${newest.version}, the newest`;
    return { version: undefined, reason: `${installed} ${description} release of channel ${channel.name}` };
  }
  const takeable = newer.find((release) => obstacle(installed, release) === undefined);
  return { version: takeable?.version, reason: obstacle(installed, newest) ?? '' };
}
