import { assertNever, failure, type RunSpec } from '@lastcall/kernel';
import { failDrain } from './answers.js';
import { giveUpLateStarts } from './first-starts.js';
import type { AlarmReason, GateIn, GateState, LeasedGate } from './gate-state.js';
import { holderOf, isLeased } from './gate-state.js';
import type { GateCommand, GateEvent } from './gate-messages.js';
import { isLeaseLost, leaseLost } from './lease.js';
import { isMaintained, reopenMaintained } from './maintenance.js';

/*
 * When nobody says anything: the times by which something should have been said, and what follows when it was not.
 */

type Expire = Extract<GateCommand, { type: 'expire' }>;

export function expire(gate: GateState, command: Expire): readonly GateEvent[] {
  if (gate.phase === 'reopening') return giveUpLateStarts(gate, command.at);
  if (!isLeased(gate)) return [];
  const run = holderOf(gate);
  if (run && isMaintained(gate, command.at)) return reopenMaintained(gate, run, command.at);
  const silence = run && silenceOf(gate, run, command);
  if (run && silence) return gate.phase === 'confirmed' ? raise(gate, silence) : giveUp(gate, run, silence, command.at);
  return gate.phase === 'closing' ? expireHolds(gate, command.at) : [];
}

function silenceOf(gate: LeasedGate, { deadlineAt }: RunSpec, expiry: Expire): AlarmReason | undefined {
  if (expiry.at >= deadlineAt + expiry.overdueGraceMs) return 'no-outcome';
  return isLeaseLost(gate, expiry.at, expiry) ? 'lease-lost' : undefined;
}

/** The install may be running: it stays shut, and a person has to look. */
function raise({ alarm }: GateIn<'confirmed'>, reason: AlarmReason): readonly GateEvent[] {
  return alarm === reason || alarm === 'no-outcome' ? [] : [{ type: 'alarm-raised', reason }];
}

function giveUp(gate: LeasedGate, run: RunSpec, silence: AlarmReason, at: number): readonly GateEvent[] {
  if (silence === 'lease-lost') return failDrain(gate, run, 'failed', leaseLost(), at);
  const message =
    'Nobody said how the run ended, long after its deadline; nothing was installed, so the gate opens again.';
  return failDrain(gate, run, 'expired', failure('NO_OUTCOME', message), at);
}

/** The longest hold is the deadline; the others end unnoticed. */
function expireHolds({ holds }: GateIn<'closing'>, at: number): readonly GateEvent[] {
  return holds.filter(({ expiresAt }) => expiresAt <= at).map(({ id }) => ({ type: 'hold-released', hold: id }));
}

/** When something has to be done although nobody says anything. Undefined: never. */
export function gateDueAt(state: GateState, overdueGraceMs: number): number | undefined {
  const dueAt = nextTime(state, overdueGraceMs);
  return dueAt === Infinity ? undefined : dueAt;
}

function nextTime(state: GateState, overdueGraceMs: number): number | undefined {
  switch (state.phase) {
    case 'shutting':
    case 'draining':
      // Looked at again and again until it has gone on.
      return state.closedAt;
    case 'confirming':
      // The same, as soon as exempt users may be ended; whoever leaves before gives word.
      return Math.min(state.exemptUntil ?? state.closedAt, silentAt(state, overdueGraceMs));
    case 'closing': {
      const holds = state.holds.map(({ expiresAt }) => expiresAt);
      return Math.min(state.notice.deadlineAt ?? Infinity, silentAt(state, overdueGraceMs), ...holds);
    }
    case 'drained':
      return Math.min(state.reopenAt ?? Infinity, silentAt(state, overdueGraceMs));
    case 'confirmed':
      if (state.alarm === 'no-outcome') return undefined;
      return silentAt(state.alarm === undefined ? state : { ...state, leaseUntil: Infinity }, overdueGraceMs);
    case 'reopening':
      return Math.min(...Object.values(state.firstStarts).flatMap((s) => (s.state === 'waiting' ? [s.giveUpAt] : [])));
    case 'open':
    case 'quarantined':
      return undefined;
    default:
      return assertNever(state);
  }
}

/** When a run that says nothing is given up. */
function silentAt(gate: LeasedGate, overdueGraceMs: number): number {
  const run = holderOf(gate);
  return run ? Math.min(run.deadlineAt + overdueGraceMs, gate.leaseUntil ?? Infinity) : Infinity;
}
