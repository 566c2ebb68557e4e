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
