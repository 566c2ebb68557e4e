import type { Failure } from '@lastcall/kernel';
import type { SeatBook, SeatOutcome, SeatPhase, SeatState } from '../domain/seat-update.js';

/*
 * A seat as those see it who drive it: one flat value with nothing that only the agent needs. The SDK has the same shape.
 */

export interface SeatProblem {
  /** UPPER_SNAKE_CASE. */
  readonly reason: string;
  readonly message: string;
}

export interface SeatView {
  readonly phase: SeatPhase;
  readonly installedVersion: string;
  /** The update in hand. */
  readonly update?: {
    readonly version: string;
    readonly fromVersion: string;
    readonly title: string;
    readonly notes: string;
    /** Why no backup is taken. */
    readonly skipBackup?: string;
  };
  /** Of a seat that is ready: what was said about the restart. */
  readonly when?: 'not-said' | 'next-start' | 'later';
  /** Why it stands still, or is stuck. */
  readonly problem?: SeatProblem;
  /** The last update that ended. */
  readonly last?: {
    readonly version: string;
    readonly fromVersion: string;
    readonly result: SeatOutcome['result'];
    /** ISO 8601, UTC. */
    readonly at: string;
    readonly restorePoint: string;
    readonly skipBackup?: string;
    readonly problem?: SeatProblem;
  };
}

export function viewOf({ state, history: [last] }: SeatBook, installedVersion: string): SeatView {
  return {
    phase: state.phase,
    installedVersion,
    ...(state.phase !== 'resting' && { update: updateOf(state) }),
    ...(state.phase === 'ready' && { when: state.when }),
    ...('problem' in state && state.problem && { problem: problemOf(state.problem) }),
    ...(last && { last: outcomeOf(last) }),
  };
}

function updateOf({ update }: Exclude<SeatState, { phase: 'resting' }>): NonNullable<SeatView['update']> {
  const { version, fromVersion, title, notes, skipBackup } = update;
  return { version, fromVersion, title, notes, ...(skipBackup !== undefined && { skipBackup }) };
}

function outcomeOf({ failure, at, ...outcome }: SeatOutcome): NonNullable<SeatView['last']> {
  return { ...outcome, at: new Date(at).toISOString(), ...(failure && { problem: problemOf(failure) }) };
}

/** A command that failed said why in its output; the last line of it says more than its exit code. */
function problemOf({ reason, message, facts }: Failure): SeatProblem {
  const said = (facts['output'] ?? '').trim().split('\n').at(-1)?.slice(0, 300) ?? '';
  return { reason, message: said === '' ? message : `${message}: ${said}` };
}
