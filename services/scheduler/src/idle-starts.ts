import { formatName, sessionV1 } from '@lastcall/contracts';
import type { ServiceContext } from '@lastcall/runtime';
import type { Document } from '@lastcall/store';
import { resolveLocalTime } from './calendar.js';
import { firingId, type Documents, type JobDocument } from './documents.js';
import { isOver, judgeIdle, type IdleVerdict } from './domain/idle-watch.js';
import { jobChange } from './job-change.js';
import type { SchedulerSettings } from './settings.js';
import { minutes } from './window.js';

/*
 * Jobs that start when nobody is logged in. The due time of such a job is when somebody looks at the users again, and what was seen stands in its
 * document: any replica goes on with it, and a restart forgets nothing. It fires once a revision, so that a replica that was held up in the
 * middle of it repeats the same firing.
 */

export type IdleAnswer = { readonly due: true } | { readonly due: false; readonly missed?: string };

export interface IdleStarts {
  /** Looks at the users, at a due time of the job; `missed` says why it does not start any more. */
  look(document: Document<JobDocument>, now: number): Promise<IdleAnswer>;
}

/** Sessions of an installation; undefined when nobody can tell. */
export type CountUsers = (installation: string) => Promise<number | undefined>;

/** The one firing of this revision of a job that waits for nobody to be logged in. */
export function idleFiringId(installation: string, job: string, revision: number): string {
  return firingId(installation, job, `${revision}/idle`);
}

export function createIdleStarts({ jobs, firings }: Documents, countUsers: CountUsers): IdleStarts {
  return {
    look: async ({ id, data }, now) => {
      const { installation, job, state, timeZone = 'UTC' } = data;
      if (state.phase !== 'enabled' || state.definition.start.kind !== 'when-idle') return { due: false };
      const { idleMinutes, windowCloses } = state.definition.start;
      if (await firings.get(idleFiringId(installation, job, state.revision))) return { due: true };
      const closesAt = resolveLocalTime(windowCloses, timeZone).at;
      const sessions = isOver({ now, closesAt }) ? undefined : await countUsers(installation);
      const verdict = judgeIdle(state.watch, { now, sessions, idleMinutes, closesAt });
      if (verdict.verdict === 'due') return { due: true };
      if (verdict.verdict === 'over')
        return { due: false, missed: whyMissed(idleMinutes, state.watch?.longestMs ?? 0) };
      await lookAgain(jobs, id, state.dueAt, verdict);
      return { due: false };
    },
  };
}

async function lookAgain(
  jobs: Documents['jobs'],
  id: string,
  lookedFor: number,
  { watch, nextAt }: Extract<IdleVerdict, { verdict: 'wait' }>,
): Promise<void> {
  const command = { type: 'look', lookedFor, watch, nextAt } as const;
  await jobs.change(id, (current) => (current ? jobChange(current, command) : { keep: undefined }));
}

function whyMissed(idleMinutes: number, longestMs: number): string {
  const longest =
    longestMs === 0 ? 'somebody was logged in at every look' : `the longest such time was ${minutes(longestMs)}`;
  return `its window closed before nobody had been logged in for ${idleMinutes} min; ${longest}`;
}

/** Unknown is not idle: an answer that cannot be had is said in the log, and asked for again. */
export function createCountUsers(context: ServiceContext<SchedulerSettings>): CountUsers {
  const client = context.client(sessionV1.SessionServiceService);
  return async (installation) => {
    try {
      return (await client.countSessions({ parent: formatName('installation', { installation }) })).count;
    } catch (err) {
      context.log.warn({ err, installation }, 'a job waits for nobody to be logged in, and nobody could say who is');
      return undefined;
    }
  };
}
