import { obstacleTo } from '@lastcall/kernel';
import { compareVersions, versionKey } from './version.js';

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

/** Why this installed version cannot update to the release by itself, or undefined. */
export function obstacle(installed: string, release: Candidate): string | undefined {
  const { version, updatesFrom: oldest, requiredVersions: required } = release;
  return obstacleTo({ version, oldest, required }, installed, compareVersions);
}

/** A release as keys that compare as plain texts: a product may have ten thousand of them. */
interface Step {
  readonly version: string;
  readonly key: string;
  /** It can be taken from here on. */
  readonly floor: string;
  /** Keys of the required versions, oldest first. */
  readonly required: readonly string[];
}

function stepOf({ version, updatesFrom, requiredVersions }: Candidate): Step {
  const key = versionKey(version);
  const required = requiredVersions
    .map(versionKey)
    .filter((other) => other < key)
    .toSorted();
  const floors = [updatesFrom === '' ? '' : versionKey(updatesFrom), required.at(-1) ?? ''];
  return { version, key, required, floor: floors.toSorted()[1] ?? '' };
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
  // Nothing is installed: there is neither data nor a version that could be too old.
  if (installed === '') return [target.version];
  const newestFirst = steps.map(stepOf).toSorted((a, b) => (a.key > b.key ? -1 : 1));
  return wayTo(versionKey(installed), stepOf(target), newestFirst, MAX_PATH)?.map(({ version }) => version);
}

/** Each call is about a smaller span of versions than the one before it, so it ends; `room` bounds how soon. */
function wayTo(from: string, to: Step, steps: readonly Step[], room: number): readonly Step[] | undefined {
  if (room <= 0) return undefined;
  const required = to.required.find((key) => key > from);
  if (required !== undefined) {
    const stop = steps.find(({ key }) => key === required);
    return stop && joined(wayTo(from, stop, steps, room), to, steps, room);
  }
  if (to.floor <= from) return [to];
  const next = steps.find(({ key, floor }) => key > from && key < to.key && floor <= from);
  return next && joined([next], to, steps, room);
}

function joined(
  before: readonly Step[] | undefined,
  to: Step,
  steps: readonly Step[],
  room: number,
): readonly Step[] | undefined {
  const last = before?.at(-1);
  if (!before || !last) return undefined;
  const rest = wayTo(last.key, to, steps, room - before.length);
  return rest && [...before, ...rest];
}

/** `11.0.0 → 11.4.0 → 12.0.0`. */
export function pathText(installed: string, path: readonly string[]): string {
  return [...(installed === '' ? [] : [installed]), ...path].join(' → ');
}
