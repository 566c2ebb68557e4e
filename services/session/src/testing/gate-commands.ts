import { failure, HOUR_MS, isRejected, MINUTE_MS, run as runDecider, type RunSpec } from '@lastcall/kernel';
import { gate } from '../domain/gate.js';
import type { GateCommand, GateEvent } from '../domain/gate-messages.js';
import type { GateState } from '../domain/gate-state.js';
import { runSpec } from './run-events.js';

/* A run through the gate in tests of its domain: given these commands, when that one comes. */

export const T0 = 1_000_000;
export const GRACE = 10 * MINUTE_MS;
/** Longer than any test that is not about it. */
export const LEASE = 12 * HOUR_MS;
export const WHY = failure('BROKEN', 'It broke.');

export function spec(run = 'r1', fence = 1, more: Partial<RunSpec> = {}): RunSpec {
  const times = { reactionTimeMs: 5 * MINUTE_MS, nominalAt: T0, startedAt: T0, deadlineAt: T0 + 2 * HOUR_MS };
  return runSpec({ run, fence, ...times, ...more });
}

/** Folds commands; the last one's events, or its refusal. */
export function given(...commands: readonly GateCommand[]) {
  let state: GateState = gate.initial;
  for (const command of commands) {
    const decision = runDecider(gate, state, command);
    if (!isRejected(decision)) state = decision.state;
  }
  return {
    state,
    when: (command: GateCommand) => {
      const decision = runDecider(gate, state, command);
      return isRejected(decision) ? { refused: decision, state, events: [] as readonly GateEvent[] } : decision;
    },
  };
}

export const types = (events: readonly GateEvent[]) => events.map(({ type }) => type);
export const counts = { told: 4, acknowledged: 3, read: 2, left: 1, ready: 1, ended: 2 };
export const shut = (run = spec(), at = T0): GateCommand => ({ type: 'shut', run, leaseMs: LEASE, at });
export const tell = (at = T0, sessions = 4): GateCommand => ({ type: 'tell', notice: `n${at}`, sessions, at });
export const DEADLINE = T0 + 5 * MINUTE_MS;
export const end = (at = DEADLINE): GateCommand => ({ type: 'end', at, giveUpAt: at + MINUTE_MS });
export const prove = (sessions = 0, at = DEADLINE, epoch = 1): GateCommand => ({
  type: 'prove',
  epoch,
  sessions,
  counts,
  at,
});
export const backup = (run = 'r1', at = DEADLINE): GateCommand => ({
  type: 'note-backup',
  run,
  at,
  giveUpAt: at + MINUTE_MS,
});
export const fail = (after: 'preflight' | 'staging' | 'backup' | 'cancel', run = spec(), at = T0): GateCommand => ({
  type: 'fail',
  run,
  after,
  outcome: after === 'cancel' ? 'cancelled' : 'failed',
  failure: WHY,
  at,
});
export const update = (run = spec(), absentHosts: readonly string[] = []): GateCommand => ({
  type: 'update',
  run,
  absentHosts,
  codes: { ts1: 'secret-1' },
  giveUpAt: DEADLINE + HOUR_MS,
  at: DEADLINE + MINUTE_MS,
});
export const firstStart = (code = 'secret-1', version = '11.1.0', host = 'ts1'): GateCommand => ({
  type: 'prove-first-start',
  host,
  code,
  version,
  at: DEADLINE + 2 * MINUTE_MS,
});
export const expire = (at: number, leaseWatched = true): GateCommand => ({
  type: 'expire',
  at,
  overdueGraceMs: GRACE,
  leaseWatched,
});
export const openByHand: GateCommand = { type: 'open-by-hand', who: 'otto', reason: 'now', at: T0 };
export const closeByHand: GateCommand = {
  type: 'shut-by-hand',
  who: 'otto',
  reason: 'New disks.',
  reactionTimeMs: MINUTE_MS,
  at: T0,
};

export const DRAINED = [shut(), tell(), end(), prove()];
export const CONFIRMED = [...DRAINED, backup(), prove()];
