import type { Release, Releases } from './releases.js';

/*
 * Which versions stay on the host when room is made for another one: the installed one and the one before it whatever they take, then older ones,
 * the newest first, as many as are wanted and as fit into the budget. A file that several versions share counts once, as it lies on the disk once.
 */

export interface KeepPolicy {
  /** Installed versions that stay, the current one included. Default 3, at least 2. */
  readonly versions: number;
  /** Bytes that all of them together may take. Default 20 GiB. The current and the previous version stay even beyond it. */
  readonly maxBytes: number;
}

export const KEEP_BY_DEFAULT: KeepPolicy = { versions: 3, maxBytes: 20 * 1024 ** 3 };

/** `staging`: the version that room is made for; it does not count. */
export async function versionsToKeep(releases: Releases, staging: string, policy: KeepPolicy): Promise<Set<string>> {
  const installed = await releases.installedVersion();
  const previous = await releases.previousVersion();
  const always = [installed, previous].filter((version) => version !== '' && version !== staging);
  const older = (await releases.stagedVersions()).filter((version) => version !== staging && !always.includes(version));
  const describe = async (version: string): Promise<Release | undefined> =>
    releases.loadTexts(version).catch(() => undefined);
  const kept = await Promise.all(always.map(describe));
  const candidates = await Promise.all(older.map(describe));
  const chosen = choose(kept.filter(isKnown), candidates.filter(isKnown), policy, always.length);
  return new Set([staging, ...always, ...chosen]);
}

function isKnown(release: Release | undefined): release is Release {
  return release !== undefined;
}

type Files = Pick<Release, 'version'> & { readonly tree: Pick<Release['tree'], 'files'> };

/** Of the older ones, newest first, those that stay. The first that does not fit ends it: a gap in the row would help nobody. */
export function choose(
  kept: readonly Files[],
  older: readonly Files[],
  { versions, maxBytes }: KeepPolicy,
  keptCount = kept.length,
): string[] {
  const counted = new Set<string>();
  const grownBy = (release: Files): number => {
    let bytes = 0;
    for (const { sha256, size } of release.tree.files) {
      if (!counted.has(sha256)) bytes += size;
      counted.add(sha256);
    }
    return bytes;
  };
  let bytes = kept.reduce((sum, release) => sum + grownBy(release), 0);
  const chosen: string[] = [];
  for (const release of older.slice(0, Math.max(0, versions - keptCount))) {
    bytes += grownBy(release);
    if (bytes > maxBytes) return chosen;
    chosen.push(release.version);
  }
  return chosen;
}
