import {
  assertNever,
  closedForOf,
  failure,
  passesGate,
  reject,
  type Decider,
  type Failure,
  type Rejected,
  type RunOutcome,
  type RunSpec,
} from '@lastcall/kernel';
import { found, NOTHING_FOUND, type Findings } from './findings.js';
import type { Heard } from './heard.js';
import { firstPhase, phaseAfter, type Phase } from './phases.js';
import { entryFor, STEPS_UNTIL, TIMELINE_MAX, type TimelineEntry } from './timeline.js';

/*
 * A run, from its opening to its end, as the scheduler hears of it. It decides nothing of what the others do; it owns
 * the one question whether the run has ended and how. A run that passes the gate ends with GateReopened and in no other way, except at
 * its hard end, then with an alarm (ADR 3). What arrives after the end is noted and changes nothing else.
 */

export interface Ending {
  readonly outcome: RunOutcome;
  readonly failure: Failure | undefined;
}

interface Common {
  readonly spec: RunSpec;
  readonly timeline: readonly TimelineEntry[];
  readonly findings: Findings;
  readonly cancelRequested: boolean;
  /** A person is needed. */
  readonly alarm: boolean;
}

export type RunState =
  | { readonly phase: 'none' }
  | (Common & {
      readonly phase: Phase;
      /** How it will end once the gate is open. */ readonly ending: Ending | undefined;
    })
  | (Common & { readonly phase: 'ended'; readonly ending: Ending; readonly finishedAt: number });

type Active = Extract<RunState, { phase: Phase }>;

export type RunCommand =
  | { readonly type: 'open'; readonly spec: RunSpec }
  | { readonly type: 'hear'; readonly heard: Heard; readonly at: number }
  | { readonly type: 'cancel'; readonly by: string; readonly reason: string; readonly at: number }
  /** The run's deadline has passed. */
  | { readonly type: 'expire'; readonly at: number }
  /** Nobody has ended it long after its deadline. */
  | { readonly type: 'end-hard'; readonly at: number };

export type RunEvent =
  | { readonly type: 'opened'; readonly spec: RunSpec }
  | { readonly type: 'noted'; readonly heard: Heard; readonly at: number }
  | {
      readonly type: 'cancel-requested';
      readonly by: string;
      readonly reason: string;
      readonly expired: boolean;
      readonly at: number;
    }
  | { readonly type: 'ended'; readonly ending: Ending; readonly alarm: boolean; readonly at: number };

/** Reason of a drain that was given up because users' holds left no room for the run. */
const POSTPONED = 'POSTPONED_BY_HOLDS';

/** What an event says about the end of the run, whether it is the end already or not. */
export function endingOf(spec: RunSpec, heard: Heard): Ending | undefined {
  switch (heard.event) {
    case 'CommandsRun':
      return { outcome: 'succeeded', failure: undefined };
    case 'CommandsFailed':
    case 'PreflightFailed':
    case 'StagingFailed':
    case 'BackupFailed':
      return { outcome: 'failed', failure: heard.failure };
    case 'DrainFailed': {
      const postponed = heard.failure.reason === POSTPONED && passesGate(spec);
      return { outcome: postponed ? 'postponed' : 'failed', failure: heard.failure };
    }
    case 'RunCancelled': {
      const outcome = heard.expired ? 'expired' : 'cancelled';
      return { outcome, failure: failure(outcome.toUpperCase(), heard.reason, '', { by: heard.by }) };
    }
    case 'InstallationUpdated':
      return { outcome: 'succeeded', failure: undefined };
    case 'InstallationRolledBack':
      return { outcome: 'rolled-back', failure: heard.failure };
    case 'InstallationQuarantined':
      return { outcome: 'quarantined', failure: heard.failure };
    case 'BackupTaken':
      return spec.type === 'data-backup' ? { outcome: 'succeeded', failure: undefined } : undefined;
    default:
      return undefined;
  }
}

function decide(state: RunState, command: RunCommand): readonly RunEvent[] | Rejected {
  if (command.type === 'open') return state.phase === 'none' ? [{ type: 'opened', spec: command.spec }] : [];
  if (state.phase === 'none') {
    return command.type === 'hear' ? [] : reject('not-found', 'NOT_FOUND', 'there is no such run');
  }
  switch (command.type) {
    case 'hear': {
      const noted: RunEvent = { type: 'noted', heard: command.heard, at: command.at };
      const ended = state.phase === 'ended' ? undefined : endedBy(state, command.heard, command.at);
      return ended ? [noted, ended] : [noted];
    }
    case 'cancel':
      return cancel(state, command);
    case 'expire': {
      if (state.phase === 'ended' || state.cancelRequested) return [];
      const reason = 'the run has taken longer than its maximum run time';
      return [{ type: 'cancel-requested', by: 'scheduler', reason, expired: true, at: command.at }];
    }
    case 'end-hard':
      return state.phase === 'ended' ? [] : [hardEnd(state, command.at)];
    default:
      return assertNever(command);
  }
}

/** Whether a request to cancel would still change anything. */
export function canBeCancelled(state: RunState): boolean {
  return (
    !['none', 'ended', 'installing', 'commanding', 'reopening'].includes(state.phase) &&
    !('cancelRequested' in state && state.cancelRequested)
  );
}

function cancel(state: Exclude<RunState, { phase: 'none' }>, command: Extract<RunCommand, { type: 'cancel' }>) {
  if (state.phase === 'ended') {
    return reject('refused', 'RUN_ENDED', 'the run has ended already; there is nothing to cancel');
  }
  if (state.phase === 'installing' || state.phase === 'reopening') {
    const message =
      'hosts are being changed, so the run cannot be cancelled any more; it ends with an outcome by itself';
    return reject('refused', 'INSTALL_STARTED', message);
  }
  if (state.phase === 'commanding') {
    const message =
      'hosts were told to run the command, so it is too late to cancel; the run ends with what they answer';
    return reject('refused', 'COMMAND_STARTED', message);
  }
  if (state.cancelRequested) return [];
  const { by, reason, at } = command;
  return [{ type: 'cancel-requested' as const, by, reason, expired: false, at }];
}

function endedBy(state: Active, heard: Heard, at: number): RunEvent | undefined {
  if (!passesGate(state.spec)) {
    const ending = endingOf(state.spec, heard);
    return ending && { type: 'ended', ending, alarm: ending.outcome === 'quarantined', at };
  }
  if (heard.event !== 'GateReopened') return undefined;
  // The gate's owner says how the run ended; whoever met the failure described it better.
  const outcome = heard.outcome ?? state.ending?.outcome ?? 'failed';
  const ending = { outcome, failure: (state.ending?.outcome === outcome && state.ending.failure) || heard.failure };
  const alarm = ending.outcome === 'quarantined' || Object.keys(heard.shutHosts).length > 0;
  return { type: 'ended', ending, alarm, at };
}

function hardEnd(state: Active, at: number): RunEvent {
  const message = `nobody said how the run ended (it was ${state.phase}); look at the gate and the hosts`;
  const known = state.ending ?? { outcome: unheardOutcome(state.phase), failure: failure('NO_OUTCOME', message) };
  return { type: 'ended', ending: known, alarm: true, at };
}

function unheardOutcome(phase: Phase): RunOutcome {
  if (phase === 'commanding') return 'failed';
  return phase === 'installing' || phase === 'reopening' ? 'quarantined' : 'expired';
}

function evolve(state: RunState, event: RunEvent): RunState {
  if (event.type === 'opened') return opened(event.spec);
  if (state.phase === 'none') return state;
  switch (event.type) {
    case 'noted':
      return noted(state, event.heard, event.at);
    case 'cancel-requested':
      return { ...state, cancelRequested: true, timeline: appended(state.timeline, cancelEntry(event)) };
    case 'ended': {
      const { spec, timeline, findings, cancelRequested } = state;
      const alarm = state.alarm || event.alarm;
      return {
        phase: 'ended',
        spec,
        timeline,
        findings,
        cancelRequested,
        alarm,
        ending: event.ending,
        finishedAt: event.at,
      };
    }
    default:
      return assertNever(event);
  }
}

function opened(spec: RunSpec): RunState {
  const phase = firstPhase(spec);
  return {
    phase,
    spec,
    ending: undefined,
    timeline: [{ at: spec.startedAt, event: 'RunStarted', host: '', text: purpose(spec) }],
    findings: { ...NOTHING_FOUND, phaseBegan: { [phase]: spec.startedAt } },
    cancelRequested: false,
    alarm: false,
  };
}

function purpose(spec: RunSpec): string {
  if (closedForOf(spec) !== undefined) return 'maintenance window';
  if (spec.type === 'run-command') return `command ${spec.command ?? ''}`;
  return spec.toVersion === '' ? 'backup' : `${spec.fromVersion || 'nothing'} → ${spec.toVersion}`;
}

function cancelEntry({ by, reason, at }: Extract<RunEvent, { type: 'cancel-requested' }>): TimelineEntry {
  return { at, event: 'RunCancelRequested', host: '', text: `${by}: ${reason}` };
}

function appended(timeline: readonly TimelineEntry[], entry: TimelineEntry): readonly TimelineEntry[] {
  const max = entry.event === 'HostOrderProgressed' ? STEPS_UNTIL : TIMELINE_MAX;
  return timeline.length < max ? [...timeline, entry] : timeline;
}

function noted(state: Exclude<RunState, { phase: 'none' }>, heard: Heard, at: number): RunState {
  const timeline = appended(state.timeline, entryFor(heard, at, state.spec));
  const findings = found(state.findings, heard, at);
  if (state.phase === 'ended') return { ...state, timeline, findings };
  const phase = phaseAfter(state.spec, state.phase, heard.event);
  const began = phase === state.phase ? findings : { ...findings, phaseBegan: { ...findings.phaseBegan, [phase]: at } };
  return { ...state, timeline, findings: began, phase, ending: state.ending ?? endingOf(state.spec, heard) };
}

export const run: Decider<RunState, RunCommand, RunEvent> = { initial: { phase: 'none' }, decide, evolve };
