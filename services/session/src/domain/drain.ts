import { holderOf, type GateState } from './gate-state.js';

/*
 * Whom a logoff is about: who was inside before the gate was shut, and is not exempt.
 */

/** A logoff. */
export interface Drain {
  readonly installation: string;
  readonly epoch: number;
  /** Empty: a person shut the gate. */
  readonly run: string;
}

/** Phases in which users of an earlier epoch may not be inside. */
export const EMPTY: ReadonlySet<GateState['phase']> = new Set([
  'draining',
  'drained',
  'confirming',
  'confirmed',
  'reopening',
  'quarantined',
]);

interface Inside {
  readonly installation: string;
  readonly epoch: number;
  readonly exempt?: boolean;
}

/** The logoff that the session is one of; undefined: there is none, or it is not meant. */
export function drainOf({ installation, epoch, exempt = false }: Inside, gate: GateState): Drain | undefined {
  const isMeant = (gate.phase === 'closing' || EMPTY.has(gate.phase)) && epoch < gate.epoch && !exempt;
  return isMeant ? { installation, epoch: gate.epoch, run: holderOf(gate)?.run ?? '' } : undefined;
}
