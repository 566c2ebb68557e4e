import { parseRunSpec, runOutcome, type EventEnvelope, type EventMessage } from '@lastcall/contracts';
import { isRejected, run as runDecider } from '@lastcall/kernel';
import type { EventHandlers } from '@lastcall/runtime';
import { jobDocumentId, PLANNED, type Documents } from './documents.js';
import type { Heard } from './domain/heard.js';
import { job as jobMachine } from './domain/job.js';
import type { Firings } from './firings.js';
import { HEARD } from './heard-from-wire.js';
import type { Runs } from './runs.js';

/*
 * What the scheduler takes in: everything that is said about a run, its own RunFinished, and withdrawn releases.
 */

export interface Parts {
  readonly documents: Documents;
  readonly runs: Runs;
  readonly firings: Firings;
  /** There are new firings: looks after them now. */
  wakeFirings(): void;
}

type OfRun = Exclude<Heard['event'], 'HostOrderProgressed'>;
const OF_RUN = Object.keys(HEARD).filter((event) => event !== 'HostOrderProgressed') as OfRun[];

export function createHandlers(parts: Parts): EventHandlers {
  const { runs } = parts;
  const hear = <T extends OfRun>(event: T) => [
    event,
    async (message: EventMessage<T>, envelope: EventEnvelope) => {
      const read = HEARD[event] as (m: EventMessage<T>) => Heard;
      await runs.hear(parseRunSpec(message.run).run, read(message), envelope);
    },
  ];
  return {
    ...(Object.fromEntries(OF_RUN.map((event) => hear(event))) as EventHandlers),
    HostOrderProgressed: async (message, envelope) => {
      const run = message.order?.run ?? '';
      if (run !== '') await runs.hear(run, HEARD.HostOrderProgressed(message), envelope);
    },
    RunFinished: (message, envelope) => runFinished(parts, message, envelope),
    ReleaseWithdrawn: (message, envelope) => releaseWithdrawn(parts, message, envelope),
  };
}

/** Gives the lane free and starts the follow-up job of a run that did not succeed. Each step may be repeated. */
async function runFinished(parts: Parts, message: EventMessage<'RunFinished'>, envelope: EventEnvelope): Promise<void> {
  const { documents, firings } = parts;
  const { run, installation, job, requestedBy } = parseRunSpec(message.run);
  await documents.lanes.take(installation, envelope, (lane) =>
    lane?.active === run ? { write: { ...lane, active: '' }, result: undefined } : { keep: undefined },
  );
  if (runOutcome.fromWire(message.outcome) === 'succeeded') return;
  const state = (await documents.jobs.get(jobDocumentId(installation, job)))?.data.state;
  const followUp = state && state.phase !== 'none' ? state.definition.followUpJob : '';
  const next = followUp === '' ? undefined : await documents.jobs.get(jobDocumentId(installation, followUp));
  if (!next) return;
  await firings.start(next.data, `after/${run}`, requestedBy);
  parts.wakeFirings();
}

/** Jobs that were going to install the release are disabled: their owners have to choose another one. */
async function releaseWithdrawn(
  { documents: { jobs } }: Parts,
  { product, version }: EventMessage<'ReleaseWithdrawn'>,
  envelope: EventEnvelope,
): Promise<void> {
  const where = { product, planned_version: version };
  for (;;) {
    const { items } = await jobs.query({ index: PLANNED, where, limit: 100 });
    if (items.length === 0) return;
    for (const { id } of items) {
      await jobs.take(id, envelope, (current) => {
        const decision = current && runDecider(jobMachine, current.state, { type: 'disable' });
        if (!current || !decision || isRejected(decision)) return { keep: undefined };
        return { write: { ...current, state: decision.state }, result: undefined };
      });
    }
  }
}
