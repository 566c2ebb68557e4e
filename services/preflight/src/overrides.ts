import { BY_JOB, jobIdOf, type Documents } from './documents.js';
import type { Override } from './domain/facts.js';

/** So many may stand for one job. */
export const MOST_STANDING = 100;

/** What people have said about the checks of a job, unless it is over or was taken back. */
export async function standingOverrides(
  { overrides }: Documents,
  { installation, job }: { readonly installation: string; readonly job: string },
  now: number,
): Promise<readonly Override[]> {
  const { items } = await overrides.query({
    index: BY_JOB,
    where: { job_id: jobIdOf(installation, job) },
    range: { field: 'expires_at', from: now + 1 },
    limit: MOST_STANDING,
  });
  return items.map(({ data: { installation: _, ...override } }) => override);
}
