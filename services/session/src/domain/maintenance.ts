import { closedForOf, failure, type RunSpec } from '@lastcall/kernel';
import { answered, newsOf, reopen } from './answers.js';
import type { Answer, GateEvent } from './gate-messages.js';
import type { GateIn, GateState } from './gate-state.js';

/*
 * A maintenance window: notice, reaction time and logoff as for an update, and then nothing but a shut gate until a time that stands in its
 * document. Nothing is backed up, installed or proven a second time; it can end early at any time, and needs nobody to end.
 */

/** It could not stay shut for as long as it should before its run has to be over: nobody is disturbed for less. */
export function isTooLate(run: RunSpec, at: number): boolean {
  const closedForMs = closedForOf(run);
  return closedForMs !== undefined && at + run.reactionTimeMs + closedForMs > run.deadlineAt;
}

export function tooLate(run: RunSpec): Answer {
  const message =
    'The gate would have been shut too late: the maintenance window would not be over before the deadline of its run. Nobody was disturbed.';
  return { run, outcome: 'failed', failure: failure('TOO_LATE', message) };
}

/** When the window is over that nobody is inside from now on; nothing for another run. */
export function reopenTime(run: RunSpec | undefined, at: number): { reopenAt?: number } {
  const closedForMs = run && closedForOf(run);
  return closedForMs === undefined ? {} : { reopenAt: at + closedForMs };
}

/** When a maintenance window is over, known or foreseen; undefined: it is none. */
export function foreseenReopening(gate: GateState, run: RunSpec): number | undefined {
  const closedForMs = closedForOf(run);
  if (closedForMs === undefined || gate.phase === 'open') return undefined;
  if (gate.phase === 'drained' && gate.reopenAt !== undefined) return gate.reopenAt;
  return (gate.logoffAt ?? gate.closedAt + run.reactionTimeMs) + closedForMs;
}

/** Its time has come. */
export function isMaintained(gate: GateState, at: number): gate is GateIn<'drained'> {
  return gate.phase === 'drained' && gate.reopenAt !== undefined && at >= gate.reopenAt;
}

export function reopenMaintained(gate: GateIn<'drained'>, run: RunSpec, at: number): GateEvent[] {
  return reopen(gate, { run, outcome: 'succeeded' }, at);
}

/** A person opens the gate before its time: what was to be done is done. */
export function endMaintenance(
  gate: GateIn<'drained'>,
  run: RunSpec,
  opened: Extract<GateEvent, { type: 'opened-by-hand' }>,
  at: number,
): GateEvent[] {
  const answer: Answer = { run, outcome: 'succeeded', openedBy: `${opened.who}: ${opened.reason}` };
  return [answered(gate, answer), opened, ...newsOf(answer, at)];
}
