import { dateToAt, type EventEnvelope, type EventMessage } from '@lastcall/contracts';
import type { Collection, CollectionSpec, Store } from '@lastcall/store';
import { localTimeOf } from './calendar.js';
import { jobDocumentId } from './documents.js';

/*
 * What the rehearsal of a job's next run found, for whoever looks at the job. A document of its own: a result must not get in the way of
 * somebody who is editing the job.
 */

export interface RehearsalDocument {
  /** Id of the report. */
  readonly report: string;
  /** Of the run that was rehearsed; absent: the job had no time. */
  readonly startAt?: number;
  /** When it was said, by the clock of preflight's store. */
  readonly saidAt: number;
  /** What blocks, up to MOST_NAMED of `blockingCount`; `antivirus on srv1` for example. */
  readonly blocking: readonly string[];
  readonly blockingCount: number;
}

const MOST_NAMED = 3;

const spec: CollectionSpec<RehearsalDocument> = { name: 'rehearsals', fields: () => ({}), indexes: [] };

type Said = EventMessage<'RehearsalPassed'> & Partial<Pick<EventMessage<'RehearsalFailed'>, 'blocking'>>;

export interface Rehearsals {
  hear(message: Said, envelope: EventEnvelope): Promise<void>;
  /** One sentence about the newest rehearsal of the run that begins then; empty: there is none. */
  sentence(installation: string, job: string, startAt: number, timeZone: string): Promise<string>;
}

export async function openRehearsals(store: Store): Promise<Rehearsals> {
  const rehearsals: Collection<RehearsalDocument> = await store.collection(spec);
  return {
    hear: async (message, envelope) => {
      const id = jobDocumentId(message.installation, message.job);
      await rehearsals.take(id, envelope, (current) =>
        current && current.saidAt > envelope.time
          ? { keep: undefined }
          : { write: documentOf(message, envelope.time), result: undefined },
      );
    },
    sentence: async (installation, job, startAt, timeZone) => {
      const found = (await rehearsals.get(jobDocumentId(installation, job)))?.data;
      return found?.startAt === startAt ? sentenceOf(found, timeZone) : '';
    },
  };
}

function documentOf({ report, startTime, blocking = [] }: Said, saidAt: number): RehearsalDocument {
  const startAt = dateToAt(startTime);
  const named = blocking.map(({ check, host }) => (host === '' ? check : `${check} on ${host}`));
  const different = [...new Set(named)];
  return {
    report,
    ...(startAt !== undefined && { startAt }),
    saidAt,
    blocking: different.slice(0, MOST_NAMED),
    blockingCount: different.length,
  };
}

function sentenceOf(rehearsed: RehearsalDocument, timeZone: string): string {
  const { report, saidAt, blocking, blockingCount } = rehearsed;
  const when = `${localTimeOf(saidAt, timeZone).slice(0, 16).replace('T', ' ')} (${timeZone})`;
  if (blockingCount === 0) return ` Its rehearsal of ${when} passed.`;
  const more = blockingCount > blocking.length ? ` and ${blockingCount - blocking.length} more` : '';
  return ` It would stop at ${blocking.join(', ')}${more}, says its rehearsal of ${when}; what to do: lastcall preflight show ${report}`;
}
