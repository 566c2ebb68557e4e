import { assertNever, type Decider } from '@lastcall/kernel';

/*
 * One notification on its way to one target. An attempt is claimed, with the time at which it counts as lost, before anything is
 * sent: whoever dies in the middle leaves a delivery that comes to its turn again, and attempts are counted however they end.
 */

export type DeliveryState =
  | { readonly phase: 'none' }
  | Waiting
  | { readonly phase: 'delivered'; readonly attempts: number; readonly endedAt: number }
  | { readonly phase: 'dead'; readonly attempts: number; readonly endedAt: number; readonly lastError: string };

interface Waiting {
  readonly phase: 'waiting';
  /** Begun so far. */
  readonly attempts: number;
  readonly dueAt: number;
  /** Empty when none failed. */
  readonly lastError: string;
}

export type DeliveryCommand =
  | { readonly type: 'queue'; readonly at: number }
  /** `lostAt`: when an attempt that says nothing is taken as failed. */
  | { readonly type: 'claim'; readonly at: number; readonly lostAt: number }
  /** Its target did not take another one: no attempt is made before `until`. */
  | { readonly type: 'postpone'; readonly at: number; readonly until: number }
  | { readonly type: 'deliver'; readonly at: number }
  | {
      readonly type: 'fail';
      readonly attempt: number;
      readonly at: number;
      readonly retryAt: number;
      readonly error: string;
    };

export type DeliveryEvent =
  | { readonly type: 'queued'; readonly at: number }
  | { readonly type: 'claimed'; readonly lostAt: number }
  | { readonly type: 'postponed'; readonly until: number }
  | { readonly type: 'delivered'; readonly at: number }
  | { readonly type: 'failed'; readonly retryAt: number; readonly error: string }
  | { readonly type: 'given-up'; readonly at: number; readonly error: string };

/** About 13 hours with the default delays. */
export const MAX_ATTEMPTS = 20;
const LOST = 'the attempt came to no end';

function decide(state: DeliveryState, command: DeliveryCommand): readonly DeliveryEvent[] {
  if (command.type === 'queue') return state.phase === 'none' ? [{ type: 'queued', at: command.at }] : [];
  // What came to an end is told once: nobody else's attempt changes it, but a target that has it after all has it.
  if (state.phase === 'dead' && command.type === 'deliver') return [{ type: 'delivered', at: command.at }];
  if (state.phase !== 'waiting') return [];
  switch (command.type) {
    case 'claim':
      if (command.at < state.dueAt) return [];
      if (state.attempts < MAX_ATTEMPTS) return [{ type: 'claimed', lostAt: command.lostAt }];
      return [{ type: 'given-up', at: command.at, error: state.lastError || LOST }];
    case 'postpone':
      return command.at < state.dueAt ? [] : [{ type: 'postponed', until: command.until }];
    case 'deliver':
      return state.attempts === 0 ? [] : [{ type: 'delivered', at: command.at }];
    case 'fail':
      return failed(state, command);
    default:
      return assertNever(command);
  }
}

/** An attempt that was taken as lost meanwhile says nothing any more. */
function failed(state: Waiting, { attempt, at, retryAt, error }: Extract<DeliveryCommand, { type: 'fail' }>) {
  if (attempt !== state.attempts || attempt === 0) return [];
  if (attempt >= MAX_ATTEMPTS) return [{ type: 'given-up' as const, at, error }];
  return [{ type: 'failed' as const, retryAt, error }];
}

function evolve(state: DeliveryState, event: DeliveryEvent): DeliveryState {
  if (event.type === 'queued') return { phase: 'waiting', attempts: 0, dueAt: event.at, lastError: '' };
  if (state.phase === 'none') return state;
  const { attempts } = state;
  switch (event.type) {
    case 'claimed':
      return state.phase === 'waiting' ? { ...state, attempts: attempts + 1, dueAt: event.lostAt } : state;
    case 'postponed':
      return state.phase === 'waiting' ? { ...state, dueAt: event.until } : state;
    case 'delivered':
      return { phase: 'delivered', attempts, endedAt: event.at };
    case 'failed':
      return { phase: 'waiting', attempts, dueAt: event.retryAt, lastError: event.error };
    case 'given-up':
      return { phase: 'dead', attempts, endedAt: event.at, lastError: event.error };
    default:
      return assertNever(event);
  }
}

export const delivery: Decider<DeliveryState, DeliveryCommand, DeliveryEvent> = {
  initial: { phase: 'none' },
  decide,
  evolve,
};
