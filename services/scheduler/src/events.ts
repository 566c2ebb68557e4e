import { parseRunSpec, runOutcome, type EventEnvelope, type EventMessage } from '@lastcall/contracts';
import type { EventHandlers } from '@lastcall/runtime';
import type { Claims } from './claims.js';
import { jobDocumentId, type Documents } from './documents.js';
import type { Heard } from './domain/heard.js';
import { HEARD } from './heard-from-wire.js';
import { rehearsalNotification, runNotification } from './notifications/notification.js';
import type { Notifications } from './notifications/notifications.js';
import type { Postponements } from './postponements.js';
import type { Rehearsals } from './rehearsals.js';
import { retryOf } from './retries.js';
import type { Runs } from './runs.js';
import { lengthHere } from './situations.js';
import type { Withdrawals } from './withdrawals.js';

/*
 * What the scheduler takes in: everything that is said about a run, its own RunFinished, rehearsals, and withdrawn releases.
 */

export interface Parts {
  readonly documents: Documents;
  readonly runs: Runs;
  readonly claims: Claims;
  readonly postponements: Postponements;
  readonly withdrawals: Withdrawals;
  readonly rehearsals: Rehearsals;
  readonly notifications: Notifications;
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
    RehearsalPassed: (message, envelope) => parts.rehearsals.hear(message, envelope),
    RehearsalFailed: async (message, envelope) => {
      await parts.rehearsals.hear(message, envelope);
      await parts.notifications.tell(rehearsalNotification(message));
    },
    ReleaseWithdrawn: (message, envelope) => parts.withdrawals.hear(message, envelope),
  };
}

/** Gives the lane free, tells whoever wants to know, and starts what comes after a run that did not succeed. Each step may be repeated. */
async function runFinished(parts: Parts, message: EventMessage<'RunFinished'>, envelope: EventEnvelope): Promise<void> {
  const { documents, claims } = parts;
  const spec = parseRunSpec(message.run);
  const { run, installation, job, requestedBy } = spec;
  await documents.lanes.take(installation, envelope, (lane) =>
    lane?.active === run ? { write: { ...lane, active: '' }, result: undefined } : { keep: undefined },
  );
  await parts.notifications.tell(runNotification(message));
  const outcome = runOutcome.fromWire(message.outcome);
  if (outcome === 'succeeded') return;
  // Nothing went wrong: the job comes to its turn later.
  if (outcome === 'postponed') return parts.postponements.planNext(spec, envelope);
  const failed = (await documents.jobs.get(jobDocumentId(installation, job)))?.data;
  const length = await lengthHere(documents, spec, spec);
  const retry = retryOf(failed, (await documents.runs.get(run))?.data, outcome, length);
  if (retry) return claims.retry(spec, retry);
  const state = failed?.state;
  const followUp = state && state.phase !== 'none' ? state.definition.followUpJob : '';
  const next = followUp === '' ? undefined : await documents.jobs.get(jobDocumentId(installation, followUp));
  if (!next || next.data.state.phase === 'none') return;
  await claims.start(next.data, `after/${run}`, requestedBy);
  parts.wakeFirings();
}
