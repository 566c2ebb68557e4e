import { commonV1, dateToAt, formatName, schedulerV1 } from '@lastcall/contracts';
import type { ServiceContext } from '@lastcall/runtime';
import type { Backups } from './backups.js';
import { BY_INSTALLATION, restorePointName, type BackupDocument, type Documents } from './documents.js';
import { DEFAULT_KEEP, protections, surplus, type Protection, type RotationPoint } from './domain/rotation.js';
import type { PreflightSettings } from './settings.js';

/*
 * Sees to it that no more restore points stay than an installation keeps. While a run is active nothing goes: which points it needs is the run's
 * business, and its end asks again. What goes is recorded before its host is told.
 */

export interface Rotation {
  /** There may be too many: to be looked at soon. */
  ask(installation: string): Promise<void>;
  /** Looks, once, and has removed what is too many. */
  runOnce(installation: string): Promise<void>;
  keepOf(installation: string): Promise<number>;
  setKeep(installation: string, keep: number): Promise<void>;
  /** Why restore points stay, by name. */
  protectedIn(installation: string): Promise<ReadonlyMap<string, Protection>>;
}

/** More than are ever there: 1,000 kept ones and as many that failed or went lately. */
const MOST_POINTS = 5_000;
const PAGE = 1_000;
/** Runs that are looked at: a quarantined one stands until a later run has succeeded. */
const RECENT_RUNS = 20;

type Context = ServiceContext<PreflightSettings>;

export function createRotation(context: Context, documents: Documents, backups: Backups): Rotation {
  const { policies } = documents;
  const rotation: Rotation = {
    ask: async (installation) => {
      await policies.change(installation, (current, { now }) => ({
        write: { ...current, dueAt: current?.dueAt ?? now },
        result: undefined,
      }));
    },
    runOnce: async (installation) => {
      const found = await policies.get(installation);
      const { keep = DEFAULT_KEEP, dueAt } = found?.data ?? {};
      const needed = await neededPoints(context, installation);
      if (needed !== 'run-active') {
        for (const restorePoint of surplus(await pointsOf(documents, installation), keep, needed))
          await backups.apply(restorePoint, (at) => ({ type: 'delete', at }));
      }
      await policies.change(installation, (current) => {
        // Asked again meanwhile.
        if (current?.dueAt !== dueAt) return { keep: undefined };
        const { dueAt: _, ...write } = current ?? {};
        return { write, result: undefined };
      });
    },
    keepOf: async (installation) => (await policies.get(installation))?.data.keep ?? DEFAULT_KEEP,
    setKeep: async (installation, keep) => {
      await policies.change(installation, (current, { now }) => ({
        write: { ...current, keep, dueAt: now },
        result: undefined,
      }));
    },
    protectedIn: async (installation) => {
      const points = await pointsOf(documents, installation);
      // A list is read in trouble, too: what the scheduler would have said is left out.
      const needed = await neededPoints(context, installation).catch(() => new Map<string, Protection>());
      if (needed !== 'run-active') return protections(points, needed);
      return new Map(points.map(({ restorePoint }) => [restorePoint, 'run']));
    },
  };
  return rotation;
}

async function pointsOf({ backups }: Documents, installation: string): Promise<RotationPoint[]> {
  const points: RotationPoint[] = [];
  let pageToken: string | undefined;
  do {
    const query = { index: BY_INSTALLATION, where: { installation }, order: 'descending', limit: PAGE } as const;
    const page = await backups.query({ ...query, ...(pageToken !== undefined && { pageToken }) });
    points.push(...page.items.map(({ id, data }) => pointOf(id, data)));
    pageToken = page.nextPageToken;
  } while (pageToken !== undefined && points.length < MOST_POINTS);
  return points;
}

function pointOf(restorePoint: string, { state, createdAt, run }: BackupDocument): RotationPoint {
  const keep = run?.backupKeep;
  return { restorePoint, state, createdAt, ...(run && { job: run.job }), ...(keep !== undefined && { keep }) };
}

/** Restore points that runs and saved jobs name. */
async function neededPoints(
  context: Context,
  installation: string,
): Promise<ReadonlyMap<string, Protection> | 'run-active'> {
  const parent = formatName('installation', { installation });
  const scheduler = context.client(schedulerV1.SchedulerServiceService);
  const { runs } = await scheduler.listRuns({ parent, pageSize: RECENT_RUNS, pageToken: '', job: '' });
  if (runs.some((run) => run.finishTime === undefined)) return 'run-active';
  const { jobs } = await scheduler.listJobs({ parent, pageSize: PAGE, pageToken: '' });
  const named = jobs
    .filter((job) => job.state !== schedulerV1.JobState.DONE)
    .flatMap((job): [string, Protection][] => (job.downgrade?.dataFrom ? [[job.downgrade.dataFrom, 'job']] : []));
  return new Map([...named, ...quarantined(runs)]);
}

/** Runs come newest first. What a quarantined one left behind may still be restored by hand, until a later update has succeeded. */
function quarantined(runs: readonly schedulerV1.Run[]): [string, Protection][] {
  const { QUARANTINED, SUCCEEDED } = commonV1.RunOutcome;
  const updates = runs.filter(({ spec }) => spec?.type === commonV1.JobType.SOFTWARE_UPDATE);
  const good = updates.findIndex(({ outcome }) => outcome === SUCCEEDED);
  const since = good < 0 ? updates : updates.slice(0, good);
  return since
    .filter(({ outcome }) => outcome === QUARANTINED)
    .flatMap(({ spec }): [string, Protection][] => {
      const own = spec && restorePointName(dateToAt(spec.startedAt) ?? 0, spec.run);
      return [own, spec?.downgrade?.dataFrom].flatMap((name) => (name ? [[name, 'run']] : []));
    });
}
