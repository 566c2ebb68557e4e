import {
  outgoing,
  runOutcome,
  runSpecToWire,
  failureToWire,
  type catalogV1,
  type EventEnvelope,
  type OutgoingEvent,
} from '@lastcall/contracts';
import { isRejected, run as runDecider, type Rejected, type RunSpec } from '@lastcall/kernel';
import { ofItsInstallation } from '@lastcall/runtime';
import type { Change, StepContext } from '@lastcall/store';
import type { Confirmation } from './confirmations.js';
import type { Documents, RunDocument, RunOrigin } from './documents.js';
import type { Heard } from './domain/heard.js';
import { run as machine, type RunCommand, type RunEvent } from './domain/run.js';
import type { SchedulerSettings } from './settings.js';

/*
 * Runs in the store: turns what the domain decided into one write with its events and the next due time.
 */

/** Cautions that were confirmed for a run. */
export type Confirmed = Pick<RunDocument, 'confirmedCautions' | 'confirmations'>;

export function confirmedBy(confirmations: readonly Confirmation[]): Confirmed {
  return { confirmedCautions: confirmations.map(({ caution }) => caution), confirmations };
}

export interface Runs {
  open(
    spec: RunSpec,
    requirements: catalogV1.ReleaseRequirements | undefined,
    confirmed: Confirmed,
    origin?: RunOrigin,
  ): Promise<void>;
  hear(run: string, heard: Heard, envelope: EventEnvelope): Promise<void>;
  apply(run: string, command: (now: number) => RunCommand): Promise<Rejected | undefined>;
}

type Result = Rejected | undefined;

export function createRuns({ runs }: Documents, settings: SchedulerSettings, changed: (run: string) => void): Runs {
  return {
    open: async (spec, requirements, { confirmedCautions, confirmations }, origin = {}) => {
      await runs.change(spec.run, (current, { now }): Change<RunDocument, Result> => {
        if (current) return { keep: undefined };
        const { installation, job } = spec;
        const confirmed = { confirmedCautions, ...(confirmations && { confirmations }) };
        const fresh = { installation, job, state: machine.initial, createdAt: now, ...confirmed, origin };
        const change = applied(fresh, { type: 'open', spec }, settings);
        if (!('write' in change)) return change;
        const started = outgoing('RunStarted', installation, { run: runSpecToWire(spec), requirements });
        return { ...change, events: [started, ...(change.events ?? [])] };
      });
      changed(spec.run);
    },
    hear: async (run, heard, envelope) => {
      const step = (current: RunDocument | undefined): Change<RunDocument, Result> =>
        current ? applied(current, { type: 'hear', heard, at: envelope.time }, settings) : { keep: undefined };
      await runs.take(run, envelope, ofItsInstallation(envelope, step));
      changed(run);
    },
    apply: async (run, command) => {
      const result = await runs.change(run, (current, { now }: StepContext): Change<RunDocument, Result> =>
        current ? applied(current, command(now), settings) : { keep: undefined },
      );
      changed(run);
      return result;
    },
  };
}

function applied(current: RunDocument, command: RunCommand, settings: SchedulerSettings): Change<RunDocument, Result> {
  const decision = runDecider(machine, current.state, command);
  if (isRejected(decision)) return { keep: decision };
  if (decision.events.length === 0) return { keep: undefined };
  const next = withDue({ ...current, state: decision.state }, settings);
  return { write: next, events: decision.events.flatMap((event) => eventsFor(next, event)), result: undefined };
}

/** First the run's own deadline, then the hard end. */
function withDue(document: RunDocument, settings: SchedulerSettings): RunDocument {
  const { dueAt: _, ...rest } = document;
  const { state } = document;
  if (state.phase === 'none' || state.phase === 'ended') return rest;
  const { deadlineAt } = state.spec;
  return { ...rest, dueAt: state.cancelRequested ? deadlineAt + settings.hardEndMs : deadlineAt };
}

function eventsFor({ state, installation }: RunDocument, event: RunEvent): OutgoingEvent[] {
  if (state.phase === 'none') return [];
  const run = runSpecToWire(state.spec);
  if (event.type === 'cancel-requested') {
    const { by, reason, expired } = event;
    return [outgoing('RunCancelRequested', installation, { run, requestedBy: by, reason, expired })];
  }
  if (event.type !== 'ended') return [];
  const { outcome, failure } = event.ending;
  const said = { run, outcome: runOutcome.toWire(outcome), failure: failure && failureToWire(failure) };
  return [outgoing('RunFinished', installation, said)];
}
