import { dateToAt, type EventEnvelope, type EventMessage } from '@lastcall/contracts';
import { derivedId, isRejected, RejectedError, run as runDecider } from '@lastcall/kernel';
import { createDueDuty, type DueDuty, type Logger, type ServiceContext } from '@lastcall/runtime';
import type { Change, Document } from '@lastcall/store';
import { DUE, jobIdOf, type Documents, type RehearsalDocument } from './documents.js';
import { momentNow, nextMomentAt, rehearsal, type PlannedRun, type RehearsalCommand } from './domain/rehearsal.js';
import { jobBeginning } from './occasions.js';
import type { Reports } from './reports.js';
import type { PreflightSettings } from './settings.js';

/*
 * Rehearsals of planned runs: the same report as a run's, some times before it, so that what is missing is noticed while there is time.
 * The report has an id that follows from the plan and the time, so that a repetition meets the same one. A plan that is taken back while
 * its hosts are asked takes that report with it.
 */

export interface Rehearsals {
  /** A job says what it is going to do. */
  hear(message: EventMessage<'RunPlanned'>, envelope: EventEnvelope): Promise<void>;
  readonly duty: DueDuty;
}

interface Options {
  readonly context: ServiceContext<PreflightSettings>;
  readonly documents: Documents;
  readonly reports: Reports;
  wakeReports(): void;
}

interface Parts extends Options {
  readonly log: Logger;
}

const EVERY_MS = 30_000;

/** What a step did: the document before and after it. */
interface Stepped {
  readonly before: RehearsalDocument;
  readonly after: RehearsalDocument;
}

export function createRehearsals(options: Options): Rehearsals {
  const { context, documents } = options;
  const duty = createDueDuty({
    name: 'rehearsals',
    everyMs: EVERY_MS,
    store: context.store,
    collection: documents.rehearsals,
    index: DUE,
    dueAtOf: ({ dueAt }) => dueAt,
    look: async (document, now) => {
      const dueAt = await look(parts, document, now);
      if (dueAt !== undefined) duty.dueAt(dueAt);
    },
  });
  const parts: Parts = { ...options, log: context.log };
  return {
    hear: async (message, envelope) => {
      const { installation, job } = message;
      const said = { sequence: envelope.sequence, saidAt: envelope.time };
      const taken = await documents.rehearsals.take(jobIdOf(installation, job), envelope, (current, { now }) => {
        if (current && !isNewer(said, current)) return { keep: { before: current, after: current } };
        const document = { installation, job, ...said, state: current?.state ?? rehearsal.initial };
        return stepped(document, commandFor(message, envelope, context.settings, now));
      });
      if (!taken.taken) return;
      const { before, after } = taken.result;
      if (before !== after) await abandonLast(parts, before);
      if (after.dueAt !== undefined) duty.dueAt(after.dueAt);
    },
    duty,
  };
}

/** A job that was deleted and created again counts anew, so either will do. */
function isNewer(said: Pick<RehearsalDocument, 'sequence' | 'saidAt'>, known: RehearsalDocument): boolean {
  return said.sequence > known.sequence || said.saidAt > known.saidAt;
}

function commandFor(
  { startTime, end, requestedBy }: EventMessage<'RunPlanned'>,
  { time: saidAt }: EventEnvelope,
  { rehearseBeforeMs: beforeMs }: PreflightSettings,
  at: number,
): RehearsalCommand {
  const startAt = dateToAt(startTime);
  if (startAt === undefined || end !== '') return { type: 'end' };
  const run: PlannedRun = { startAt, requestedBy, saidAt };
  return { type: 'plan', run, beforeMs, at };
}

function stepped(document: RehearsalDocument, command: RehearsalCommand): Change<RehearsalDocument, Stepped> {
  const decision = runDecider(rehearsal, document.state, command);
  if (isRejected(decision)) throw new RejectedError(decision);
  const { dueAt: _, ...rest } = document;
  const dueAt = nextMomentAt(decision.state);
  if (decision.events.length === 0) return { keep: { before: document, after: document } };
  const after: RehearsalDocument = { ...rest, state: decision.state, ...(dueAt !== undefined && { dueAt }) };
  return { write: after, result: { before: document, after } };
}

/** Nobody is told of a run that does not come. */
async function abandonLast({ reports }: Parts, { state }: RehearsalDocument): Promise<void> {
  if (state.phase !== 'planned' || state.report === '') return;
  await reports.apply(state.report, (at) => ({ type: 'abandon', at }));
}

/** Answers when this job is to be looked at again. */
async function look(parts: Parts, { id, data }: Document<RehearsalDocument>, now: number): Promise<number | undefined> {
  const { state, installation, job } = data;
  if (state.phase !== 'planned') return undefined;
  const { saidAt, startAt, requestedBy } = state.run;
  const moment = momentNow(state, now);
  const beginning = moment && (await beginningFor(parts, { installation, job }));
  if (!beginning) return (await change(parts, id, { type: 'give-up', saidAt })).after.dueAt;
  const report = derivedId('p', installation, job, saidAt, moment.at);
  const of = { job, startAt, why: moment.why, requestedBy };
  await parts.reports.begin(report, { ...beginning, rehearsal: of });
  const { after } = await change(parts, id, { type: 'note', saidAt, report, at: now });
  const stands = after.state.phase === 'planned' && after.state.report === report;
  if (!stands) await parts.reports.apply(report, (at) => ({ type: 'abandon', at }));
  parts.wakeReports();
  return after.dueAt;
}

/** Undefined: the job, or its installation, is not there any more. */
async function beginningFor({ context, documents, log }: Parts, job: { installation: string; job: string }) {
  try {
    const { startAt: _, ...beginning } = await jobBeginning(context, documents, job);
    return beginning;
  } catch (error) {
    if (!(error instanceof RejectedError)) throw error;
    log.warn({ ...job, reason: error.rejected.reason }, 'a planned run cannot be rehearsed');
    return undefined;
  }
}

function change({ documents }: Parts, id: string, command: RehearsalCommand): Promise<Stepped> {
  return documents.rehearsals.change(id, (current): Change<RehearsalDocument, Stepped> => {
    return stepped(current ?? { installation: '', job: '', sequence: 0, saidAt: 0, state: rehearsal.initial }, command);
  });
}
