import type { EventEnvelope } from '@lastcall/contracts';
import { DAY_MS, RejectedError, type RunSpec } from '@lastcall/kernel';
import { cautionsFor, NOTHING_KNOWN, type Situation } from './advice.js';
import { localTimeOf, resolveLocalTime } from './calendar.js';
import { jobDocumentId, type Documents, type JobDocument } from './documents.js';
import type { JobCommand } from './domain/job.js';
import { jobChange } from './job-change.js';
import type { Catalog, Place } from './spec.js';

/*
 * When a job is tried again after holds of users left no room for its run: at the same local time of the next day. A day on which that
 * would be inside business hours is passed over, unless whoever saved the job has confirmed it for the first time.
 */

export interface Postponements {
  /** Does nothing for a job that starts at once, and for a run that was started by hand. */
  planNext(run: RunSpec, envelope: EventEnvelope): Promise<void>;
}

/** A week has every weekday; the second one is for holidays. */
const DAYS = 14;

export function createPostponements({ jobs }: Documents, catalog: Catalog): Postponements {
  return {
    planNext: async (run, envelope) => {
      const place = await placeOrNone(catalog, run.installation);
      if (!place) return;
      await jobs.take(jobDocumentId(run.installation, run.job), envelope, (current, { now }) => {
        const command = current && postponementOf(current, run, place, now);
        return command ? jobChange(current, command) : { keep: undefined };
      });
    },
  };
}

/** None: the installation was deleted. */
async function placeOrNone(catalog: Catalog, installation: string): Promise<Place | undefined> {
  try {
    return await catalog.place(installation);
  } catch (cause) {
    if (cause instanceof RejectedError) return undefined;
    throw cause;
  }
}

function postponementOf(
  job: JobDocument,
  { nominalAt, requestedBy }: RunSpec,
  place: Place,
  now: number,
): JobCommand | undefined {
  const next = nextTime(job, nominalAt, place, now);
  return next && { type: 'postpone', nominalAt, by: requestedBy, ...next };
}

/** The first day, from the one after the job's own on, whose time is still to come and has nothing new against it. */
export function nextTime(
  { state, confirmedCautions }: Pick<JobDocument, 'state' | 'confirmedCautions'>,
  nominalAt: number,
  { kind, timeZone, businessHours }: Pick<Place, 'kind' | 'timeZone'> & Pick<Situation, 'businessHours'>,
  now: number,
): { localTime: string; dueAt: number } | undefined {
  if (state.phase === 'none') return undefined;
  const { definition } = state;
  const { start } = definition;
  if (start.kind === 'immediate' || start.kind === 'when-idle') return undefined;
  const last = start.kind === 'time' ? start.localTime : localTimeOf(nominalAt, timeZone);
  const situation = { ...NOTHING_KNOWN, multiUser: kind === 'multi-user', timeZone, businessHours, now };
  for (let days = 1; days <= DAYS; days++) {
    const localTime = daysLater(last, days);
    const dueAt = resolveLocalTime(localTime, timeZone).at;
    const cautions = cautionsFor(definition, [dueAt], situation);
    if (dueAt > now && cautions.every(({ caution }) => confirmedCautions.includes(caution)))
      return { localTime, dueAt };
  }
  return undefined;
}

/** The same time of day, on the calendar: a day has 23 or 25 hours where the clocks change. */
function daysLater(localTime: string, days: number): string {
  return new Date(Date.parse(`${localTime}Z`) + days * DAY_MS).toISOString().slice(0, 19);
}
