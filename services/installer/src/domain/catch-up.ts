import { assertNever, failure, type Decider, type Failure } from '@lastcall/kernel';
import { orderIdOf, type FinishedOrder } from './plan-state.js';

/*
 * One host that was switched off while its installation was updated. When it comes back it stages and installs by itself;
 * if that fails it goes back to the version that it had and is tried again the next time it comes, a few times. Nobody
 * waits for it: until it has the installation's version the session edge admits no client from it.
 */

/** After so many failures a person is needed. */
export const CATCH_UP_ATTEMPTS = 3;

interface Underway {
  readonly order: string;
  readonly attempt: number;
  /** Version that the host had when it came back. */
  readonly fromVersion: string;
  readonly fence: number;
}

export type CatchUpState =
  | { readonly phase: 'waiting'; readonly attempts: number; readonly failure?: Failure }
  | ({ readonly phase: 'staging' } & Underway)
  | ({ readonly phase: 'installing' } & Underway)
  | ({ readonly phase: 'going-back'; readonly failure: Failure } & Underway)
  | { readonly phase: 'done' }
  | { readonly phase: 'given-up'; readonly failure: Failure };

export type CatchUpCommand =
  /** The host is connected; `version` is what it has, `wanted` what its installation has. */
  | {
      readonly type: 'return';
      readonly run: string;
      readonly host: string;
      readonly version: string;
      readonly wanted: string;
      readonly fence: number;
      readonly at: number;
    }
  | ({ readonly type: 'finish-order'; readonly run: string; readonly wanted: string } & FinishedOrder);

export type CatchUpEvent =
  | ({
      readonly type: 'ordered';
      readonly step: 'stage' | 'install' | 'roll-back';
      readonly host: string;
      readonly at: number;
      readonly failure?: Failure;
    } & Underway)
  | { readonly type: 'caught-up'; readonly host: string }
  | { readonly type: 'fell-back'; readonly failure: Failure; readonly attempt: number }
  | { readonly type: 'gave-up'; readonly failure: Failure };

function decide(state: CatchUpState, command: CatchUpCommand): readonly CatchUpEvent[] {
  switch (command.type) {
    case 'return':
      return state.phase === 'waiting' ? returned(state.attempts + 1, command) : [];
    case 'finish-order':
      return 'order' in state && state.order === command.order ? finished(state, command) : [];
    default:
      return assertNever(command);
  }
}

type Return = Extract<CatchUpCommand, { type: 'return' }>;

function returned(attempt: number, { run, host, version, wanted, fence, at }: Return): readonly CatchUpEvent[] {
  if (version === wanted) return [{ type: 'caught-up', host }];
  const order = orderIdOf(run, host, 'late-stage', attempt);
  return [{ type: 'ordered', step: 'stage', order, attempt, fromVersion: version, fence, host, at }];
}

type Finish = Extract<CatchUpCommand, { type: 'finish-order' }>;

function finished(state: Extract<CatchUpState, Underway>, command: Finish): readonly CatchUpEvent[] {
  const { attempt, fromVersion, fence } = state;
  const { host, run, at } = command;
  const next = { attempt, fromVersion, fence, host, at };
  switch (state.phase) {
    case 'staging':
      if (command.failure) return [setBack(attempt, command.failure)];
      return [{ type: 'ordered', step: 'install', order: orderIdOf(run, host, 'late-install', attempt), ...next }];
    case 'installing': {
      const why = command.failure ?? mismatch(command, command.wanted);
      if (!why) return [{ type: 'caught-up', host }];
      // Without a version before there is nothing to go back to; the host stays as it is and is refused by the session edge.
      if (fromVersion === '') return [{ type: 'gave-up', failure: why }];
      const order = orderIdOf(run, host, 'late-roll-back', attempt);
      return [{ type: 'ordered', step: 'roll-back', order, ...next, failure: why }];
    }
    case 'going-back':
      if (command.failure) return [{ type: 'gave-up', failure: command.failure }];
      return [setBack(attempt, state.failure)];
    default:
      return assertNever(state);
  }
}

function mismatch({ host, installedVersion }: Finish, wanted: string): Failure | undefined {
  if (installedVersion === wanted) return undefined;
  return failure('WRONG_VERSION', `${host} has version ${installedVersion || 'none'} instead of ${wanted}`, host);
}

function setBack(attempt: number, why: Failure): CatchUpEvent {
  return attempt < CATCH_UP_ATTEMPTS ? { type: 'fell-back', failure: why, attempt } : { type: 'gave-up', failure: why };
}

function evolve(_state: CatchUpState, event: CatchUpEvent): CatchUpState {
  switch (event.type) {
    case 'ordered': {
      const { order, attempt, fromVersion, fence } = event;
      const underway = { order, attempt, fromVersion, fence };
      if (event.step === 'stage') return { phase: 'staging', ...underway };
      if (event.step === 'install') return { phase: 'installing', ...underway };
      return {
        phase: 'going-back',
        ...underway,
        failure: event.failure ?? failure('INSTALL_FAILED', 'install failed'),
      };
    }
    case 'caught-up':
      return { phase: 'done' };
    case 'fell-back':
      return { phase: 'waiting', attempts: event.attempt, failure: event.failure };
    case 'gave-up':
      return { phase: 'given-up', failure: event.failure };
    default:
      return assertNever(event);
  }
}

export const catchUp: Decider<CatchUpState, CatchUpCommand, CatchUpEvent> = {
  initial: { phase: 'waiting', attempts: 0 },
  decide,
  evolve,
};
