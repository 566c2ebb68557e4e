import type { BackupState } from './backup.js';

/*
 * Which restore points go when there are more than are kept. Never the newest proven one, none that a run or a job may need, none of somebody else's; those
 * whose removal was not confirmed are asked for again.
 */

export interface RotationPoint {
  readonly restorePoint: string;
  readonly state: BackupState;
  readonly createdAt: number;
}

export const DEFAULT_KEEP = 10;

/** Why one stays whatever the number is. */
export type Protection = 'newest' | 'run' | 'job';

/** By restore point. `needed` are those that runs and jobs name. */
export function protections(
  points: readonly RotationPoint[],
  needed: ReadonlyMap<string, Protection>,
): ReadonlyMap<string, Protection> {
  const newest = byAge(points).find(({ state }) => state.phase === 'taken' && state.backup.verified);
  const own = newest && new Map<string, Protection>([[newest.restorePoint, 'newest']]);
  return new Map([...needed, ...(own ?? [])]);
}

/** Restore points to be removed, the oldest first. */
export function surplus(
  points: readonly RotationPoint[],
  keep: number,
  needed: ReadonlyMap<string, Protection>,
): readonly string[] {
  const stays = protections(points, needed);
  const there = byAge(points).filter(({ state }) => state.phase === 'taken' || state.phase === 'damaged');
  // Damaged ones do not count, and stay as long as older good ones do.
  const oldestKept = there.filter(({ state }) => state.phase === 'taken')[keep - 1]?.createdAt ?? -Infinity;
  const goes = there.filter(({ restorePoint, createdAt }) => createdAt < oldestKept && !stays.has(restorePoint));
  const unconfirmed = points.filter(({ state }) => state.phase === 'deleting');
  return [...unconfirmed, ...goes].toSorted((a, b) => a.createdAt - b.createdAt).map((p) => p.restorePoint);
}

/** Newest first; those that hold data on a host. */
function byAge(points: readonly RotationPoint[]): RotationPoint[] {
  return points
    .filter(({ state }) => 'host' in state && state.host !== '')
    .toSorted((a, b) => b.createdAt - a.createdAt);
}
