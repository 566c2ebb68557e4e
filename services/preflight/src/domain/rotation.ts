import type { BackupState } from './backup.js';

/*
 * Which restore points go when there are more than are kept. Never the newest proven one, none that a run or a job may need, none of somebody else's; those
 * whose removal was not confirmed are asked for again.
 */

export interface RotationPoint {
  readonly restorePoint: string;
  readonly state: BackupState;
  readonly createdAt: number;
  /** Job of its run; empty for none. */
  readonly job?: string;
  /** How many of that job stay, as its run was told; absent: they count with all others. */
  readonly keep?: number;
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

/** Restore points to be removed, the oldest first. `keep` is for those whose job has no number of its own. */
export function surplus(
  points: readonly RotationPoint[],
  keep: number,
  needed: ReadonlyMap<string, Protection>,
): readonly string[] {
  const stays = protections(points, needed);
  const unconfirmed = points.filter(({ state }) => state.phase === 'deleting');
  const goes = groupsOf(byAge(points), keep).flatMap((group) => beyond(group.points, group.keep));
  return [...unconfirmed, ...goes.filter(({ restorePoint }) => !stays.has(restorePoint))]
    .toSorted((a, b) => a.createdAt - b.createdAt)
    .map((p) => p.restorePoint);
}

interface Group {
  readonly keep: number;
  readonly points: RotationPoint[];
}

/** What counts together: those of a job whose newest run has a number, and all others. */
function groupsOf(newestFirst: readonly RotationPoint[], keep: number): readonly Group[] {
  const ofJobs = new Map<string, Group | undefined>();
  const others: Group = { keep, points: [] };
  for (const point of newestFirst) {
    const { job = '', keep: own } = point;
    if (!ofJobs.has(job)) ofJobs.set(job, job === '' || own === undefined ? undefined : { keep: own, points: [] });
    (ofJobs.get(job) ?? others).points.push(point);
  }
  return [others, ...[...ofJobs.values()].filter((group) => group !== undefined)];
}

function beyond(newestFirst: readonly RotationPoint[], keep: number): RotationPoint[] {
  const there = newestFirst.filter(({ state }) => state.phase === 'taken' || state.phase === 'damaged');
  // Damaged ones do not count, and stay as long as older good ones do.
  const oldestKept = there.filter(({ state }) => state.phase === 'taken')[keep - 1]?.createdAt ?? -Infinity;
  return there.filter(({ createdAt }) => createdAt < oldestKept);
}

/** Newest first; those that hold data on a host. */
function byAge(points: readonly RotationPoint[]): RotationPoint[] {
  return points
    .filter(({ state }) => 'host' in state && state.host !== '')
    .toSorted((a, b) => b.createdAt - a.createdAt);
}
