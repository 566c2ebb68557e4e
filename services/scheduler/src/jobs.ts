import type { Principal } from '@lastcall/contracts';
import { DAY_MS, reject, type Rejected } from '@lastcall/kernel';
import type { ServiceContext } from '@lastcall/runtime';
import type { Change, Document } from '@lastcall/store';
import { cautionsOf, findingsFor, type Caution, type Findings, type Situation } from './advice.js';
import type { Length } from './advice/length.js';
import { resolveLocalTime } from './calendar.js';
import { jobDocumentId, type Documents, type JobDocument } from './documents.js';
import { job as machine, type JobCommand, type JobDefinition, type Start } from './domain/job.js';
import { jobChange } from './job-change.js';
import { nextOccurrences } from './series.js';
import type { SchedulerSettings } from './settings.js';
import { createSituations, lengthHere } from './situations.js';
import type { Catalog, Place } from './spec.js';
import { etagOf } from './wire.js';

/*
 * Saving and enabling jobs: what can be known about the time is looked up, told, and has to be confirmed.
 */

/** When a job is due, as its installation stands. */
export interface Timing {
  readonly place: Place;
  readonly now: number;
  /** The last time that it could start at, where that is not its due time. */
  readonly lastAt?: number;
  /** Instants at which it is due: one, or the next ones of a series. */
  readonly times: readonly number[];
  readonly notes: readonly string[];
}

export interface Outlook extends Timing {
  readonly definition: JobDefinition;
  readonly situation: Situation;
  readonly dueAt: number;
  readonly findings: Findings;
  readonly cautions: readonly Caution[];
}

/** For whom: a job that has no name yet has an empty one. */
export interface Asker {
  readonly job: string;
  readonly principal: Principal | undefined;
}

export interface Jobs {
  timing(installation: string, definition: JobDefinition): Promise<Timing>;
  outlook(installation: string, definition: JobDefinition, asker: Asker): Promise<Outlook>;
  length(place: Place, definition: JobDefinition): Promise<Length>;
  /** One command on one job, with the caller's etag (empty: any). */
  apply(
    id: JobId,
    command: JobCommand,
    etag: string,
    more?: Partial<JobDocument>,
  ): Promise<Document<JobDocument> | Rejected>;
  delete(id: JobId, etag: string): Promise<Rejected | undefined>;
  get(id: JobId): Promise<Document<JobDocument> | undefined>;
}

export interface JobId {
  readonly installation: string;
  readonly job: string;
}

export function createJobs(context: ServiceContext<SchedulerSettings>, documents: Documents, catalog: Catalog): Jobs {
  const { jobs } = documents;
  const get: Jobs['get'] = async ({ installation, job }) => {
    const found = await jobs.get(jobDocumentId(installation, job));
    return found?.data.state.phase === 'none' ? undefined : found;
  };
  const change = (id: JobId, command: JobCommand, etag: string, more: Partial<JobDocument>) =>
    jobs.change(jobDocumentId(id.installation, id.job), (current, { now, version }) =>
      applied(id, current, command, { now, more, stale: etag !== '' && etag !== etagOf(version) }),
    );
  const situations = createSituations(context, documents);
  const timing: Jobs['timing'] = async (installation, definition) => {
    const place = await catalog.place(installation);
    const now = await context.store.now();
    return { place, now, ...timesOf(definition.start, now, place.timeZone) };
  };
  return {
    get,
    timing,
    length: (place, definition) => lengthHere(documents, place, definition),
    outlook: async (installation, definition, asker) => {
      const timed = await timing(installation, definition);
      const { place, now, times } = timed;
      const [dueAt = now] = times;
      const situation = await situations.of({ place, definition, dueAt, now, ...asker });
      const findings = findingsFor(definition, times, situation);
      const cautions = cautionsOf(definition, findings, situation);
      return { ...timed, definition, situation, dueAt, findings, cautions };
    },
    apply: async (id, command, etag, more = {}) => {
      const rejected = await change(id, command, etag, more);
      return rejected ?? (await get(id)) ?? reject('not-found', 'NOT_FOUND', 'there is no such job');
    },
    delete: (id, etag) => change(id, { type: 'delete' }, etag, {}),
  };
}

/** A series is looked at this far ahead: every change of the clocks, and every weekday of a monthly one. */
const AHEAD_MS = 366 * DAY_MS;
const AHEAD_TIMES = 400;
const NOTES = 4;

function timesOf(start: Start, now: number, timeZone: string): Pick<Timing, 'times' | 'notes' | 'lastAt'> {
  switch (start.kind) {
    case 'immediate':
      return { times: [now], notes: [] };
    case 'time': {
      const { at, notes } = resolveLocalTime(start.localTime, timeZone);
      return { times: [at], notes };
    }
    case 'series': {
      const found = nextOccurrences(AHEAD_TIMES, now, start.cron, timeZone);
      const near = found.filter(({ at }, n) => n === 0 || at < now + AHEAD_MS);
      return { times: near.map(({ at }) => at), notes: near.flatMap(({ notes }) => notes).slice(0, NOTES) };
    }
    case 'when-idle': {
      const opens = resolveLocalTime(start.windowOpens, timeZone);
      const closes = resolveLocalTime(start.windowCloses, timeZone);
      const notes = [...opens.notes, ...closes.notes];
      return { times: [Math.max(now, opens.at)], lastAt: closes.at, notes };
    }
  }
}

interface Circumstances {
  readonly now: number;
  readonly stale: boolean;
  readonly more: Partial<JobDocument>;
}

function applied(
  { installation, job }: JobId,
  current: JobDocument | undefined,
  command: JobCommand,
  { now, stale, more }: Circumstances,
): Change<JobDocument, Rejected | undefined> {
  const isThere = current && current.state.phase !== 'none';
  if (stale && isThere) {
    return { keep: reject('conflict', 'ETAG_MISMATCH', 'somebody else has changed the job; read it again and repeat') };
  }
  const there = isThere ? current : { ...current, createdAt: now };
  const fresh = { installation, job, product: '', state: machine.initial, confirmedCautions: [] };
  return jobChange({ ...fresh, ...there, ...more }, command);
}

/** Refused unless every caution is named. */
export function unconfirmed(cautions: readonly Caution[], confirmed: readonly string[]): Rejected | undefined {
  const open = cautions.filter((c) => !confirmed.includes(c.caution));
  if (open.length === 0) return undefined;
  const names = open.map((c) => c.caution).join(', ');
  const message = `${open.map((c) => c.text).join('; ')}. Confirm with ${names}, or choose another time`;
  const violations = open.map((c) => ({ field: c.caution, description: c.text }));
  return reject('confirmation-required', 'CONFIRMATION_REQUIRED', message, { violations });
}
