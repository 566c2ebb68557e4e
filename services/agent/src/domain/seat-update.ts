import { assertNever, reject, type Decider, type Failure, type Rejected } from '@lastcall/kernel';

/*
 * The update of a single seat. Owns the order of what happens: a backup first, then the download, then nothing until somebody says when; at the
 * restart a fresh backup, because people went on working, and the install; when that fails, back to the version and the data of before.
 * Whatever fails before the install changes nothing. README.md has the picture.
 *
 * A seat that was killed anywhere goes on from its stored state: each phase that works leads to one order of the agent, named after update,
 * phase and attempt, so that the same order is found again in the journal and never carried out twice.
 */

export interface SeatUpdate {
  readonly id: string;
  readonly fromVersion: string;
  readonly version: string;
  readonly title: string;
  readonly notes: string;
  /** Why no backup is wanted; absent: backups are taken. */
  readonly skipBackup?: string;
  readonly begunAt: number;
}

/** When the new version is put in place. `not-said`: somebody has to be asked. */
export type RestartWhen = 'now' | 'next-start' | 'later';

interface InHand {
  readonly update: SeatUpdate;
  /** Counts the orders of this update. */
  readonly attempt: number;
  /** Newest backup of this update; empty for none. */
  readonly restorePoint: string;
}

export type SeatState =
  | { readonly phase: 'resting' }
  | (InHand & { readonly phase: 'backing-up' })
  | (InHand & { readonly phase: 'downloading' })
  /** Asked for, or because of the problem; what has arrived is kept. */
  | (InHand & { readonly phase: 'paused'; readonly problem?: Failure })
  | (InHand & {
      readonly phase: 'ready';
      readonly when: 'not-said' | 'next-start' | 'later';
      readonly problem?: Failure;
    })
  /** The fresh backup of the restart. */
  | (InHand & { readonly phase: 'saving'; readonly before: string })
  | (InHand & { readonly phase: 'installing' })
  | (InHand & { readonly phase: 'going-back'; readonly because: Failure })
  /** Even the way back failed: a person has to look. */
  | (InHand & { readonly phase: 'stuck'; readonly because: Failure; readonly problem: Failure });

export type SeatPhase = SeatState['phase'];

/** How an update ended. */
export interface SeatOutcome {
  readonly version: string;
  readonly fromVersion: string;
  readonly result: 'updated' | 'gone-back' | 'not-begun' | 'replaced';
  readonly at: number;
  /** Newest backup of it; empty for none. */
  readonly restorePoint: string;
  /** Why there is none. */
  readonly skipBackup?: string;
  readonly failure?: Failure;
}

export interface SeatBook {
  readonly state: SeatState;
  /** Newest first, at most MAX_HISTORY. */
  readonly history: readonly SeatOutcome[];
}

export const MAX_HISTORY = 50;

/** What came of an order. `touched`: it had begun to change something. */
export interface TaskResult {
  readonly failure?: Failure;
  readonly touched: boolean;
}

export type SeatCommand =
  | { readonly type: 'begin'; readonly update: SeatUpdate }
  | { readonly type: 'pause' }
  | { readonly type: 'resume' }
  | { readonly type: 'restart'; readonly when: RestartWhen }
  /** The application, or whoever starts it, is being started. */
  | { readonly type: 'start' }
  | { readonly type: 'tell'; readonly attempt: number; readonly result: TaskResult; readonly at: number };

export type SeatEvent =
  { readonly type: 'entered'; readonly state: SeatState } | { readonly type: 'ended'; readonly outcome: SeatOutcome };

type Decision = readonly SeatEvent[] | Rejected;
type Working = Extract<SeatState, { phase: 'backing-up' | 'downloading' | 'saving' | 'installing' | 'going-back' }>;

/** What is to be done now; undefined: the seat waits for a command. */
export function workOf(state: SeatState): Working | undefined {
  switch (state.phase) {
    case 'backing-up':
    case 'downloading':
    case 'saving':
    case 'installing':
    case 'going-back':
      return state;
    default:
      return undefined;
  }
}

/** Whether the work may be broken off: nothing on the seat is being changed. */
export function mayPause(phase: SeatPhase): boolean {
  return phase === 'backing-up' || phase === 'downloading';
}

/** Name of the restore point that the present attempt makes. */
export function restorePointOf({ update, attempt }: InHand): string {
  return `${update.id}-${attempt}`;
}

export const seatDecider: Decider<SeatBook, SeatCommand, SeatEvent> = {
  initial: { state: { phase: 'resting' }, history: [] },
  decide: ({ state }, command) => decide(state, command),
  evolve: (book, event) =>
    event.type === 'entered'
      ? { ...book, state: event.state }
      : { state: { phase: 'resting' }, history: [event.outcome, ...book.history].slice(0, MAX_HISTORY) },
};

function decide(state: SeatState, command: SeatCommand): Decision {
  switch (command.type) {
    case 'begin':
      return begin(state, command.update);
    case 'pause':
      return pause(state);
    case 'resume':
      return resume(state);
    case 'restart':
      return restart(state, command.when);
    case 'start':
      return state.phase === 'ready' && state.when === 'next-start' ? beginRestart(state) : [];
    case 'tell':
      return tell(state, command);
    default:
      return assertNever(command);
  }
}

const entered = (state: SeatState): readonly SeatEvent[] => [{ type: 'entered', state }];

function begin(state: SeatState, update: SeatUpdate): Decision {
  const first: InHand = { update, attempt: 1, restorePoint: '' };
  const fresh = entered({ phase: update.skipBackup === undefined ? 'backing-up' : 'downloading', ...first });
  switch (state.phase) {
    case 'resting':
      return fresh;
    case 'paused':
    case 'ready':
      // The same again goes on where it stands.
      if (state.update.version === update.version) return state.phase === 'paused' ? resume(state) : [];
      return [endOf(state, 'replaced', update.begunAt), ...fresh];
    case 'stuck':
      return stuckRefusal(state.because);
    default:
      if (state.update.version === update.version) return [];
      return refused('UPDATE_RUNNING', `${state.update.version} is being worked on; wait for it, or pause it`);
  }
}

function pause(state: SeatState): Decision {
  if (state.phase === 'paused') return [];
  if (state.phase !== 'backing-up' && state.phase !== 'downloading') {
    return refused('NOTHING_TO_PAUSE', `nothing is being downloaded (the seat is ${state.phase})`);
  }
  const { update, attempt, restorePoint } = state;
  return entered({ phase: 'paused', update, attempt, restorePoint });
}

function resume(state: SeatState): Decision {
  switch (state.phase) {
    case 'resting':
      return refused('NOTHING_TO_RESUME', 'no update has been begun');
    case 'paused': {
      const { problem, update, restorePoint } = state;
      // An order that failed has its result; one that was broken off goes on under its own name.
      const attempt = state.attempt + (problem ? 1 : 0);
      const lacksBackup = restorePoint === '' && update.skipBackup === undefined;
      return entered({ phase: lacksBackup ? 'backing-up' : 'downloading', update, attempt, restorePoint });
    }
    case 'stuck': {
      const { update, attempt, restorePoint, because } = state;
      return entered({ phase: 'going-back', update, attempt: attempt + 1, restorePoint, because });
    }
    default:
      return [];
  }
}

function restart(state: SeatState, when: RestartWhen): Decision {
  if (state.phase !== 'ready') {
    return refused('NOT_READY', `nothing is ready to be installed (the seat is ${state.phase}); begin an update first`);
  }
  if (when === 'now') return beginRestart(state);
  return state.when === when ? [] : entered({ ...state, when });
}

function beginRestart({ update, attempt, restorePoint }: InHand): readonly SeatEvent[] {
  const next = { update, attempt: attempt + 1 };
  if (update.skipBackup !== undefined) return entered({ phase: 'installing', ...next, restorePoint: '' });
  return entered({ phase: 'saving', ...next, restorePoint, before: restorePoint });
}

function tell(state: SeatState, { attempt, result, at }: Extract<SeatCommand, { type: 'tell' }>): Decision {
  const work = workOf(state);
  // Said again after a crash between the result and its record.
  if (!work || work.attempt !== attempt) return [];
  const { update, restorePoint } = work;
  const kept: InHand = { update, attempt, restorePoint };
  const { failure } = result;
  switch (work.phase) {
    case 'backing-up':
      if (failure) return [endOf(work, 'not-begun', at, failure)];
      return entered({ phase: 'downloading', update, attempt: attempt + 1, restorePoint: restorePointOf(work) });
    case 'downloading':
      if (failure) return entered({ phase: 'paused', ...kept, problem: failure });
      return entered({ phase: 'ready', ...kept, when: 'not-said' });
    case 'saving':
      if (failure) return entered({ phase: 'ready', ...kept, when: 'not-said', problem: failure });
      return entered({ phase: 'installing', update, attempt: attempt + 1, restorePoint: restorePointOf(work) });
    case 'installing':
      if (!failure) return [endOf(work, 'updated', at)];
      // What was staged is not as signed: nothing was touched, and it has to be fetched again.
      if (!result.touched) return entered({ phase: 'paused', ...kept, problem: failure });
      return entered({ phase: 'going-back', update, attempt: attempt + 1, restorePoint, because: failure });
    case 'going-back':
      if (!failure) return [endOf(work, 'gone-back', at, work.because)];
      return entered({ phase: 'stuck', ...kept, because: work.because, problem: failure });
    default:
      return assertNever(work);
  }
}

function endOf(
  { update, restorePoint }: InHand,
  result: SeatOutcome['result'],
  at: number,
  failure?: Failure,
): SeatEvent {
  const { version, fromVersion, skipBackup } = update;
  const why = { ...(skipBackup !== undefined && { skipBackup }), ...(failure && { failure }) };
  return { type: 'ended', outcome: { version, fromVersion, result, at, restorePoint, ...why } };
}

function stuckRefusal(because: Failure): Rejected {
  return refused(
    'SEAT_STUCK',
    `the way back from a failed update did not succeed (${because.message}); resume it, and look at what it says`,
  );
}

function refused(reason: string, message: string): Rejected {
  return reject('refused', reason, message);
}
