/*
 * "Which version comes next on this seat?", answered from what is signed, without a server: the newest release of the seat's channel that the
 * installed version may take by itself. The rule is the catalog's (`updatesFrom`, required versions), read from the signed manifests.
 */

/** A signed release that is newer than the installed one. */
export interface SignedVersion {
  readonly version: string;
  /** Oldest version that may update to it by itself; empty for any. */
  readonly oldest: string;
  /** Versions that have to be installed before it. */
  readonly required: readonly string[];
}

/** Negative when the first is older; as `semver.compare`. */
export type CompareVersions = (a: string, b: string) => number;

/** Signed targets of one version, as far as the choice needs them. */
export interface OfferedVersion {
  readonly version: string;
  /** Lines of releases that it stands in; undefined when the signer did not say: then it stands in each. */
  readonly channels: readonly string[] | undefined;
}

/** Versions of the channel that are newer than the installed one, newest first. */
export function newerVersions(
  installed: string,
  channel: string,
  offered: readonly OfferedVersion[],
  compare: CompareVersions,
): readonly string[] {
  return offered
    .filter(({ channels }) => channels === undefined || channels.includes(channel))
    .map(({ version }) => version)
    .filter((version) => installed === '' || compare(version, installed) > 0)
    .toSorted((a, b) => compare(b, a));
}

/** Why the installed version cannot take the release by itself; undefined when it can. */
export function obstacleTo(release: SignedVersion, installed: string, compare: CompareVersions): string | undefined {
  // Nothing is installed: there is neither data nor a version that could be too old.
  if (installed === '') return undefined;
  if (release.oldest !== '' && compare(release.oldest, installed) > 0) {
    return `${release.version} updates from ${release.oldest} or newer, and ${installed} is installed`;
  }
  const [missing] = release.required
    .filter((required) => compare(required, installed) > 0 && compare(release.version, required) > 0)
    .toSorted(compare);
  return missing === undefined
    ? undefined
    : `${release.version} needs ${missing} to be installed first, and ${installed} is installed`;
}
