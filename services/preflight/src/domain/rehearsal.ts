import { assertNever, type Decider } from '@lastcall/kernel';

/*
 * When the next run of a job is rehearsed: when it was planned, and at some times before its start. A plan that is changed or taken back
 * ends its rehearsals; of several times that have passed, the newest counts, and after the start none does.
 */

export interface PlannedRun {
  readonly startAt: number;
  readonly requestedBy: string;
  /** Tells plans of a job apart: the same time again is another plan. */
  readonly saidAt: number;
}

export type Why = 'enabled' | 'before-start';

export interface Moment {
  readonly why: Why;
  readonly at: number;
}

export type RehearsalState =
  | { readonly phase: 'none' }
  | {
      readonly phase: 'planned';
      readonly run: PlannedRun;
      /** Oldest first. */
      readonly moments: readonly Moment[];
      /** The report of the last one; empty: none yet. */
      readonly report: string;
    };

export type RehearsalCommand =
  | { readonly type: 'plan'; readonly run: PlannedRun; readonly beforeMs: readonly number[]; readonly at: number }
  | { readonly type: 'end' }
  /** The rehearsal of this plan has begun. */
  | { readonly type: 'note'; readonly saidAt: number; readonly report: string; readonly at: number }
  /** Nothing more can be rehearsed of this plan. */
  | { readonly type: 'give-up'; readonly saidAt: number };

export type RehearsalEvent =
  | { readonly type: 'planned'; readonly run: PlannedRun; readonly moments: readonly Moment[] }
  | { readonly type: 'ended' }
  | { readonly type: 'rehearsed'; readonly report: string; readonly at: number }
  | { readonly type: 'given-up' };

function decide(state: RehearsalState, command: RehearsalCommand): readonly RehearsalEvent[] {
  switch (command.type) {
    case 'plan': {
      const { run, beforeMs, at } = command;
      // A series that goes on was not enabled just now.
      const goesOn = state.phase === 'planned' && state.run.startAt <= at;
      return [{ type: 'planned', run, moments: momentsOf(run, beforeMs, at, goesOn) }];
    }
    case 'end':
      return state.phase === 'planned' ? [{ type: 'ended' }] : [];
    case 'note':
      if (!isOf(state, command.saidAt)) return [];
      return [{ type: 'rehearsed', report: command.report, at: command.at }];
    case 'give-up':
      return isOf(state, command.saidAt) && state.moments.length > 0 ? [{ type: 'given-up' }] : [];
    default:
      return assertNever(command);
  }
}

type Planned = Extract<RehearsalState, { phase: 'planned' }>;

function isOf(state: RehearsalState, saidAt: number): state is Planned {
  return state.phase === 'planned' && state.run.saidAt === saidAt;
}

function momentsOf({ startAt }: PlannedRun, beforeMs: readonly number[], at: number, goesOn: boolean): Moment[] {
  if (startAt <= at) return [];
  const before = beforeMs.map((ms): Moment => ({ why: 'before-start', at: startAt - ms })).filter((m) => m.at > at);
  const all: Moment[] = goesOn ? before : [{ why: 'enabled', at }, ...before];
  return all.toSorted((a, b) => a.at - b.at);
}

function evolve(state: RehearsalState, event: RehearsalEvent): RehearsalState {
  switch (event.type) {
    case 'planned':
      return { phase: 'planned', run: event.run, moments: event.moments, report: '' };
    case 'ended':
      return { phase: 'none' };
    case 'rehearsed':
      if (state.phase !== 'planned') return state;
      return { ...state, report: event.report, moments: state.moments.filter((m) => m.at > event.at) };
    case 'given-up':
      return state.phase === 'planned' ? { ...state, moments: [] } : state;
    default:
      return assertNever(event);
  }
}

export const rehearsal: Decider<RehearsalState, RehearsalCommand, RehearsalEvent> = {
  initial: { phase: 'none' },
  decide,
  evolve,
};

/** What is to be rehearsed now; undefined: nothing, or it is too late. */
export function momentNow(state: RehearsalState, now: number): Moment | undefined {
  if (state.phase !== 'planned' || state.run.startAt <= now) return undefined;
  return state.moments.findLast((m) => m.at <= now);
}

export function nextMomentAt(state: RehearsalState): number | undefined {
  return state.phase === 'planned' ? state.moments[0]?.at : undefined;
}
