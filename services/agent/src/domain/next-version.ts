/*
 * "Which version comes next on this seat?", answered from what is signed, without a server: the newest release that the
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

/** Versions that are newer than the installed one, newest first. */
export function newerVersions(
  installed: string,
  signed: readonly string[],
  compare: CompareVersions,
): readonly string[] {
  return signed
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
