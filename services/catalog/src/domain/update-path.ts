import { compareVersions, isNewer } from './version.js';

/*
 * The way from an installed version to a release. A release says from which oldest version it updates (`updatesFrom`) and which versions
 * must be installed on the way (`requiredVersions`). The way goes through every required version that is newer than what is installed,
 * in their order; where a release is too new for what is installed, it goes over the newest release that can be taken, which is the way
 * with the fewest steps.
 */

/** A published release, as far as this question needs it. */
export interface Candidate {
  readonly version: string;
  readonly channels: readonly string[];
  readonly updatesFrom: string;
  readonly requiredVersions: readonly string[];
}

/** Longer ways are none: nobody updates that often in one go. */
export const MAX_PATH = 100;

/** Required versions that are still to be installed, oldest first. */
function missing(installed: string, release: Candidate): readonly string[] {
  return release.requiredVersions
    .filter((required) => isNewer(required, installed) && isNewer(release.version, required))
    .toSorted(compareVersions);
}

/** Why this installed version cannot update to the release by itself, or undefined. */
export function obstacle(installed: string, release: Candidate): string | undefined {
  // Nothing is installed: there is neither data nor a version that could be too old.
  if (installed === '') return undefined;
  if (release.updatesFrom !== '' && isNewer(release.updatesFrom, installed)) {
    return `${release.version} updates from ${release.updatesFrom} or newer, and ${installed} is installed`;
  }
  const [first] = missing(installed, release);
  return first === undefined
    ? undefined
    : `${release.version} needs ${first} to be installed first, and ${installed} is installed`;
}

/**
 * Versions to install one after the other, `target` the last of them; undefined when there is no way. `steps` are the releases that may
 * stand in between.
 */
export function pathTo(
  installed: string,
  target: Candidate,
  steps: readonly Candidate[],
): readonly string[] | undefined {
  const path = wayTo(
    installed,
    target,
    steps.toSorted((a, b) => compareVersions(b.version, a.version)),
    MAX_PATH,
  );
  return path && path.length <= MAX_PATH ? path : undefined;
}

/** `steps`: newest first. Each call is about a smaller span of versions than the one before it, so it ends. */
function wayTo(from: string, to: Candidate, steps: readonly Candidate[], room: number): readonly string[] | undefined {
  if (room <= 0) return undefined;
  const [required] = from === '' ? [] : missing(from, to);
  if (required !== undefined) {
    const stop = steps.find(({ version }) => version === required);
    return stop && joined(wayTo(from, stop, steps, room), to, steps, room);
  }
  if (obstacle(from, to) === undefined) return [to.version];
  const next = steps.find(
    (step) => isNewer(step.version, from) && isNewer(to.version, step.version) && obstacle(from, step) === undefined,
  );
  return next && joined([next.version], to, steps, room);
}

function joined(
  before: readonly string[] | undefined,
  to: Candidate,
  steps: readonly Candidate[],
  room: number,
): readonly string[] | undefined {
  const last = before?.at(-1);
  if (!before || last === undefined) return undefined;
  const rest = wayTo(last, to, steps, room - before.length);
  return rest && [...before, ...rest];
}

/** `11.0.0 → 11.4.0 → 12.0.0`. */
export function pathText(installed: string, path: readonly string[]): string {
  return [...(installed === '' ? [] : [installed]), ...path].join(' → ');
}
