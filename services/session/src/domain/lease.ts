import { closedForOf, failure, reject, type Failure, type Rejected } from '@lastcall/kernel';
import type { GateCommand, GateEvent, Patience } from './gate-messages.js';
import { holderOf, isLeased, type GateState, type LeasedGate } from './gate-state.js';

/*
 * The lease of the run that shut the gate. The run renews it; when it has run out, whoever renewed it has stopped for good. Before
 * the install may run the gate opens then; afterwards a half-installed version is possible, so it stays shut and raises the alarm.
 */

export function renewLease(
  gate: GateState,
  { run, fence, leaseMs, at }: Extract<GateCommand, { type: 'renew-lease' }>,
): readonly GateEvent[] | Rejected {
  const holder = holderOf(gate);
  if (!isLeased(gate) || holder?.run !== run || holder.fence !== fence) {
    return reject('refused', 'NOT_THE_HOLDER', `Run ${run} does not hold this gate.`, { facts: { run } });
  }
  // A maintenance window has none.
  if (closedForOf(holder) !== undefined) return [];
  const leaseUntil = at + leaseMs;
  return leaseUntil > (gate.leaseUntil ?? 0) ? [{ type: 'lease-renewed', leaseUntil }] : [];
}

/** Whether the run has been silent for too long. */
export function isLeaseLost({ leaseUntil }: LeasedGate, at: number, { leaseWatched }: Patience): boolean {
  return leaseWatched && leaseUntil !== undefined && at >= leaseUntil;
}

export function leaseLost(): Failure {
  const message = 'The run was not heard of for longer than its lease; nothing was installed, so the gate opens again.';
  return failure('LEASE_LOST', message);
}
