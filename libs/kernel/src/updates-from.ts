/*
 * What a release demands of the version that is there: the oldest one that may update to it, and those that have to be installed before it. The catalog
 * and a seat without a server decide by the same rule.
 */

export interface UpdateRule {
  readonly version: string;
  /** Oldest version that may update to it by itself; empty for any. */
  readonly oldest: string;
  /** Versions that have to be installed before it. */
  readonly required: readonly string[];
}

/** Negative when the first is older. */
export type CompareVersions = (a: string, b: string) => number;

/** Why the installed version cannot take the release by itself; undefined when it can. */
export function obstacleTo(release: UpdateRule, installed: string, compare: CompareVersions): string | undefined {
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
