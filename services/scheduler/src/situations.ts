import { formatName, isPermitted, sessionV1, type Principal } from '@lastcall/contracts';
import { Fault, passesGate, RejectedError } from '@lastcall/kernel';
import type { ServiceContext } from '@lastcall/runtime';
import { beginsSoon, type Situation } from './advice.js';
import type { Other } from './advice/collisions.js';
import { lengthFrom, lengthSaid, type Length } from './advice/length.js';
import { NO_HISTORY, slotOf, type UsageHistory } from './advice/usage.js';
import { BY_INSTALLATION, type Documents, type JobDocument, type RunDocument } from './documents.js';
import type { JobDefinition } from './domain/job.js';
import type { SchedulerSettings } from './settings.js';
import type { Place } from './spec.js';

/*
 * What is looked up before a job's time is judged: who is logged in now, who usually is, how long runs take there, what else is due. The
 * history is good to have and no more: when the session service cannot tell, it counts as empty.
 */

export interface Asked {
  readonly place: Place;
  readonly definition: JobDefinition;
  readonly dueAt: number;
  readonly now: number;
  /** Itself is in nobody's way. Empty: it has no name yet. */
  readonly job: string;
  readonly principal: Principal | undefined;
}

export interface Situations {
  of(asked: Asked): Promise<Situation>;
}

/** Of a job or of a run. */
export type Measured = Pick<JobDefinition, 'type' | 'closedForMs'> & { readonly reactionTimeMs?: number | undefined };

/** Jobs and runs that are looked at: more is no installation but a mistake. */
const MOST = 200;
const MEASURED = 50;
/** So few are named. */
const NAMED = 5;
/** What is only good to have must not keep whoever saves a job waiting. */
const PATIENCE = { timeoutMs: 2_000 };

export function createSituations(context: ServiceContext<SchedulerSettings>, documents: Documents): Situations {
  return {
    of: async (asked) => {
      const { place, definition, now } = asked;
      const isMultiUser = place.kind === 'multi-user';
      const disturbs = passesGate({ type: definition.type, kind: place.kind });
      const [inside, history, runs, jobs] = await Promise.all([
        disturbs ? loggedIn(context, asked) : NOBODY,
        isMultiUser ? orElse(context, asked, historyOf(context, place.installation), NO_HISTORY) : NO_HISTORY,
        runsOf(documents, place.installation),
        jobsOf(documents, place.installation),
      ]);
      const lengthOf: LengthOf = (job) => lengthSaid(job, place.reactionTimeMs) ?? lengthFrom(measured(runs, job.type));
      return {
        ...inside,
        multiUser: isMultiUser,
        timeZone: place.timeZone,
        businessHours: place.businessHours,
        holidayOn: (date) => place.businessHours.holidays.nameOf(date),
        history,
        length: lengthOf(definition),
        others: [...activeRuns(runs, lengthOf, now), ...dueJobs(jobs, lengthOf)].filter(({ job }) => job !== asked.job),
        now,
      };
    },
  };
}

const NOBODY = { sessions: 0, users: [] as readonly string[] };

/** Asked only where the answer matters. A job that begins at once logs them off, so there it has to be known. */
async function loggedIn(context: ServiceContext<SchedulerSettings>, asked: Asked): Promise<typeof NOBODY> {
  const { start } = asked.definition;
  if (!beginsSoon(start, asked.dueAt, asked.now)) return NOBODY;
  if (start.kind === 'immediate') return countedNow(context, asked);
  return orElse(context, asked, countedNow(context, asked, PATIENCE), NOBODY);
}

async function countedNow(
  context: ServiceContext<SchedulerSettings>,
  { place: { installation }, principal }: Asked,
  options: { readonly timeoutMs?: number } = {},
): Promise<typeof NOBODY> {
  const parent = formatName('installation', { installation });
  const client = context.client(sessionV1.SessionServiceService);
  const { count: sessions } = await client.countSessions({ parent }, options);
  const { listSessions } = sessionV1.SessionServiceService;
  if (sessions === 0 || sessions > NAMED || !isPermitted(listSessions.path, principal, installation)) {
    return { sessions, users: [] };
  }
  const page = await client.listSessions({ parent, pageSize: NAMED, pageToken: '', user: '', host: '' }, options);
  return { sessions, users: [...new Set(page.sessions.map(({ user }) => user))] };
}

async function historyOf(context: ServiceContext<SchedulerSettings>, installation: string): Promise<UsageHistory> {
  const parent = formatName('installation', { installation });
  const { usage, weeks } = await context
    .client(sessionV1.SessionServiceService)
    .getSessionHistory({ parent, quarterHours: [] }, PATIENCE);
  const slots = usage.flatMap(({ quarterHour, ...counted }) =>
    quarterHour ? [[slotOf(quarterHour), counted] as const] : [],
  );
  return { slots: new Map(slots), weeks };
}

async function orElse<T>(
  { log }: ServiceContext<SchedulerSettings>,
  { place: { installation } }: Asked,
  found: Promise<T>,
  otherwise: T,
): Promise<T> {
  try {
    return await found;
  } catch (cause) {
    if (!(cause instanceof Fault) && !(cause instanceof RejectedError)) throw cause;
    log.warn({ err: cause, installation }, 'a job is judged without what the session service knows of users');
    return otherwise;
  }
}

async function runsOf({ runs }: Pick<Documents, 'runs'>, installation: string): Promise<readonly RunDocument[]> {
  const where = { installation };
  const { items } = await runs.query({ index: BY_INSTALLATION, where, order: 'descending', limit: MOST });
  return items.map(({ data }) => data);
}

/** How long a run of this job takes at the installation. `reactionTimeMs`: the installation's. */
export async function lengthHere(
  documents: Pick<Documents, 'runs'>,
  { installation, reactionTimeMs }: Pick<Place, 'installation' | 'reactionTimeMs'>,
  job: Measured,
): Promise<Length> {
  return lengthSaid(job, reactionTimeMs) ?? lengthFrom(measured(await runsOf(documents, installation), job.type));
}

async function jobsOf({ jobs }: Documents, installation: string): Promise<readonly JobDocument[]> {
  const { items } = await jobs.query({ index: BY_INSTALLATION, where: { installation }, limit: MOST });
  return items.map(({ data }) => data);
}

/** Lengths of the last runs of a type that succeeded. */
function measured(runs: readonly RunDocument[], type: JobDefinition['type']): readonly number[] {
  const lengths = runs.flatMap(({ state }) =>
    state.phase === 'ended' && state.ending.outcome === 'succeeded' && state.spec.type === type
      ? [state.finishedAt - state.spec.startedAt]
      : [],
  );
  return lengths.slice(0, MEASURED);
}

type LengthOf = (job: Measured) => Length;

/** One that takes longer than most is given as long again as it has taken, its deadline at most. */
function activeRuns(runs: readonly RunDocument[], lengthOf: LengthOf, now: number): readonly Other[] {
  return runs.flatMap(({ job, state }) => {
    if (state.phase === 'none' || state.phase === 'ended') return [];
    const { run, startedAt, deadlineAt } = state.spec;
    const usual = lengthOf(state.spec).p90Ms;
    const taken = now - startedAt;
    const lengthMs = Math.min(usual > taken ? usual : 2 * taken, Math.max(deadlineAt - startedAt, taken + 1));
    return [{ job, run, at: startedAt, lengthMs }];
  });
}

function dueJobs(jobs: readonly JobDocument[], lengthOf: LengthOf): readonly Other[] {
  return jobs.flatMap(({ job, state }): Other[] => {
    if (state.phase !== 'enabled') return [];
    const { definition, dueAt } = state;
    const { start } = definition;
    // Nobody knows when that is.
    if (start.kind === 'when-idle') return [];
    const due = { job, run: '', at: dueAt, lengthMs: lengthOf(definition).p90Ms };
    return [start.kind === 'series' ? { ...due, cron: start.cron } : due];
  });
}
