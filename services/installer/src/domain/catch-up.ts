import { assertNever, failure, reject, type Decider, type Failure, type Rejected } from '@lastcall/kernel';
import { CANNOT_WATCH, orderIdOf, type FinishedOrder, type OrderStep } from './plan-state.js';

/*
 * One host that was switched off while its installation was updated, or that has another version for whatever reason and asks. It stages,
 * installs and is watched as the hosts of a run are; if that fails it goes back to the version that it had and is tried again the next
 * time it comes or asks, a few times. Nobody waits for it: until it has settled the session edge admits no client from it.
 */

/** After so many failures a person is needed. */
export const CATCH_UP_ATTEMPTS = 3;

interface Underway {
  readonly order: string;
  /** Part of the order's id, so it only grows. */
  readonly attempt: number;
  /** Before this attempt, since a person wanted it anew; absent in documents of before: all attempts before. */
  readonly failures?: number;
  /** Version that the host had when it came back. */
  readonly fromVersion: string;
  readonly fence: number;
}

export type CatchUpState =
  | {
      readonly phase: 'waiting';
      readonly attempts: number;
      readonly failures?: number;
      readonly failure?: Failure;
    }
  | ({ readonly phase: 'staging' } & Underway)
  | ({ readonly phase: 'installing' } & Underway)
  /** Healthy on the new version, and watched. */
  | ({ readonly phase: 'settling' } & Underway)
  | ({ readonly phase: 'going-back'; readonly failure: Failure } & Underway)
  | { readonly phase: 'done' }
  | { readonly phase: 'given-up'; readonly failure: Failure; readonly attempts?: number };

export type CatchUpCommand =
  /** The host is connected, or asks; `version` is what it has, `wanted` what its installation has. */
  | {
      readonly type: 'return';
      readonly run: string;
      readonly host: string;
      readonly version: string;
      readonly wanted: string;
      readonly fence: number;
      readonly at: number;
    }
  /** `settleMs`: how long it has to stay healthy; 0: being healthy once is enough. */
  | ({
      readonly type: 'finish-order';
      readonly run: string;
      readonly wanted: string;
      readonly settleMs: number;
    } & FinishedOrder)
  /** A person wants a host that was given up to be tried anew. */
  | { readonly type: 'start-over'; readonly host: string };

export type CatchUpEvent =
  | ({
      readonly type: 'ordered';
      readonly step: Exclude<OrderStep, 'stop'>;
      readonly host: string;
      readonly at: number;
      readonly failure?: Failure;
    } & Underway)
  | { readonly type: 'caught-up'; readonly host: string }
  | ({ readonly type: 'fell-back' } & SetBack)
  | ({ readonly type: 'gave-up' } & SetBack)
  | { readonly type: 'started-over'; readonly attempts: number };

interface SetBack {
  readonly host: string;
  readonly failure: Failure;
  readonly attempt: number;
  readonly failures: number;
}

function decide(state: CatchUpState, command: CatchUpCommand): readonly CatchUpEvent[] | Rejected {
  switch (command.type) {
    case 'return':
      return state.phase === 'waiting' ? returned(state, command) : [];
    case 'finish-order':
      return 'order' in state && state.order === command.order ? finished(state, command) : [];
    case 'start-over':
      if (state.phase !== 'given-up') return notGivenUp(command.host);
      return [{ type: 'started-over', attempts: state.attempts ?? CATCH_UP_ATTEMPTS }];
    default:
      return assertNever(command);
  }
}

function notGivenUp(host: string): Rejected {
  return reject('refused', 'NOT_QUARANTINED', `host ${host} was not given up`, { facts: { host } });
}

type Return = Extract<CatchUpCommand, { type: 'return' }>;

function returned(
  { attempts, failures = attempts }: Extract<CatchUpState, { phase: 'waiting' }>,
  { run, host, version, wanted, fence, at }: Return,
): readonly CatchUpEvent[] {
  if (version === wanted) return [{ type: 'caught-up', host }];
  const attempt = attempts + 1;
  const order = orderIdOf(run, host, 'late-stage', attempt);
  return [{ type: 'ordered', step: 'stage', order, attempt, failures, fromVersion: version, fence, host, at }];
}

type Finish = Extract<CatchUpCommand, { type: 'finish-order' }>;

/** A newer run has overtaken the order, so it was not begun: that run takes the host along, or it is tried again after it. */
const OVERTAKEN = 'FENCE_TOO_LOW';

function finished(state: Extract<CatchUpState, Underway>, command: Finish): readonly CatchUpEvent[] {
  const { attempt, failures = attempt - 1, fromVersion, fence } = state;
  const { host, run, at, failure: failed } = command;
  const next = { attempt, failures, fromVersion, fence, host, at };
  const isOvertaken = failed?.reason === OVERTAKEN;
  switch (state.phase) {
    case 'staging':
      if (failed) return [setBack(next, failed, !isOvertaken)];
      return [{ type: 'ordered', step: 'install', order: orderIdOf(run, host, 'late-install', attempt), ...next }];
    case 'installing': {
      if (failed && isOvertaken) return [setBack(next, failed, false)];
      const why = failed ?? mismatch(command, command.wanted);
      if (why) return wayBack(why, run, next);
      if (command.settleMs === 0) return [{ type: 'caught-up', host }];
      return [{ type: 'ordered', step: 'settle', order: orderIdOf(run, host, 'late-settle', attempt), ...next }];
    }
    case 'settling': {
      const why = failed ?? mismatch(command, command.wanted);
      // Healthy once is all that can be known of it.
      const isUnwatched = isOvertaken || failed?.reason === CANNOT_WATCH;
      return why && !isUnwatched ? wayBack(why, run, next) : [{ type: 'caught-up', host }];
    }
    case 'going-back':
      if (failed) return [{ type: 'gave-up', host, attempt, failures: failures + 1, failure: failed }];
      return [setBack(next, state.failure, true)];
    default:
      return assertNever(state);
  }
}

type Next = Required<Omit<Underway, 'order'>> & { readonly host: string; readonly at: number };

function wayBack(why: Failure, run: string, next: Next): readonly CatchUpEvent[] {
  const { host, fromVersion, attempt, failures } = next;
  // Without a version before there is nothing to go back to; the host stays as it is and is refused by the session edge.
  if (fromVersion === '') return [{ type: 'gave-up', host, attempt, failures: failures + 1, failure: why }];
  const order = orderIdOf(run, host, 'late-roll-back', attempt);
  return [{ type: 'ordered', step: 'roll-back', order, ...next, failure: why }];
}

function mismatch({ host, installedVersion }: Finish, wanted: string): Failure | undefined {
  if (installedVersion === wanted) return undefined;
  return failure('WRONG_VERSION', `${host} has version ${installedVersion || 'none'} instead of ${wanted}`, host);
}

function setBack({ host, attempt, failures: before }: Next, why: Failure, counts: boolean): CatchUpEvent {
  const failures = counts ? before + 1 : before;
  const type = failures >= CATCH_UP_ATTEMPTS ? 'gave-up' : 'fell-back';
  return { type, host, attempt, failures, failure: why };
}

const PHASE_OF = { stage: 'staging', install: 'installing', settle: 'settling' } as const;

function evolve(_state: CatchUpState, event: CatchUpEvent): CatchUpState {
  switch (event.type) {
    case 'ordered': {
      const { step, order, attempt, failures, fromVersion, fence } = event;
      const underway = { order, attempt, ...(failures !== undefined && { failures }), fromVersion, fence };
      if (step !== 'roll-back') return { phase: PHASE_OF[step], ...underway };
      const why = event.failure ?? failure('INSTALL_FAILED', 'install failed');
      return { phase: 'going-back', ...underway, failure: why };
    }
    case 'caught-up':
      return { phase: 'done' };
    case 'fell-back':
      return { phase: 'waiting', attempts: event.attempt, failures: event.failures, failure: event.failure };
    case 'gave-up':
      return { phase: 'given-up', attempts: event.attempt, failure: event.failure };
    case 'started-over':
      return { phase: 'waiting', attempts: event.attempts, failures: 0 };
    default:
      return assertNever(event);
  }
}

export const catchUp: Decider<CatchUpState, CatchUpCommand, CatchUpEvent> = {
  initial: { phase: 'waiting', attempts: 0 },
  decide,
  evolve,
};
