import type { GateCommand, GateEvent } from './gate-messages.js';
import type { GateState, LateHosts } from './gate-state.js';

/*
 * Hosts that were switched off while their installation was updated, or were found with another version. The version of a client alone would
 * let it in while its host is still being watched, and an install that fails then would end the work of whoever is inside.
 */

type Command<T extends GateCommand['type']> = Extract<GateCommand, { type: T }>;

/** An update has left these behind and no others. */
export function lateAfter(gate: GateState, { absentHosts }: Command<'update'>): readonly GateEvent[] {
  const late: LateHosts = Object.fromEntries(absentHosts.map((host) => [host, { why: '', givenUp: false }]));
  return absentHosts.length === 0 && gate.late === undefined ? [] : [{ type: 'late-noted', late }];
}

/** What is said of the run before, after a newer one has set another version, is old news. */
export function noteLate(gate: GateState, { run, host, why, givenUp }: Command<'note-late'>): readonly GateEvent[] {
  if (run.toVersion !== gate.version) return [];
  const before = gate.late?.[host];
  // A new attempt has not proven anything: why the last one failed stays until it has.
  const noted = { why: why || (before?.why ?? ''), givenUp };
  if (before?.why === noted.why && before.givenUp === givenUp) return [];
  return [{ type: 'late-noted', late: { ...gate.late, [host]: noted } }];
}

export function caughtUp(gate: GateState, { run, host }: Command<'catch-up'>): readonly GateEvent[] {
  if (gate.late?.[host] === undefined || run.toVersion !== gate.version) return [];
  return [
    { type: 'late-noted', late: Object.fromEntries(Object.entries(gate.late).filter(([other]) => other !== host)) },
  ];
}
