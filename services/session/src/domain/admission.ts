import { assertNever } from '@lastcall/kernel';
import { holderOf, shutHostsOf, type GateState, type ShutGate } from './gate-state.js';

/*
 * Who is let in, and what those who are not are told: why, since when, until when, what happens next.
 */

export type RefusalReason = 'gate-shut' | 'wrong-version' | 'host-shut' | 'invalid' | 'not-permitted' | 'too-many';

export interface Refusal {
  readonly reason: RefusalReason;
  /** For the user. */
  readonly text: string;
  readonly closedAt?: number;
  /** An estimate. */
  readonly expectedAt?: number;
  /** Empty: any. */
  readonly requiredVersion: string;
}

export interface Applicant {
  /** Empty: no agent there. */
  readonly host: string;
  readonly version: string;
}

/** Undefined: come in. */
export function refusalFor(gate: GateState, { host, version }: Applicant, timeZone: string): Refusal | undefined {
  if (gate.phase !== 'open' && gate.phase !== 'reopening') return gateShut(gate, timeZone);
  const shut = shutHostsOf(gate)[host];
  if (shut !== undefined) {
    const text = `You cannot log in on ${host} yet. ${shut}`;
    return { reason: 'host-shut', text, requiredVersion: gate.version };
  }
  if (gate.version === '' || gate.version === version) return undefined;
  const text =
    `This program has version ${version}, but version ${gate.version} is needed. ` +
    'It follows by itself when the host has been updated; otherwise ask your administrator.';
  return { reason: 'wrong-version', text, requiredVersion: gate.version };
}

/** Whether who was inside before may come back to the session: until the logoff, also through a shut gate. */
export function mayResume(gate: GateState, { host, version }: Applicant, timeZone: string): boolean {
  if (gate.phase === 'shutting' || gate.phase === 'closing') return true;
  return refusalFor(gate, { host, version }, timeZone) === undefined;
}

function gateShut(gate: ShutGate, timeZone: string): Refusal {
  const expectedAt = expectedOpenAt(gate);
  const until = expectedAt === undefined ? '' : ` It is expected to open again at ${clockTime(expectedAt, timeZone)}.`;
  return {
    reason: 'gate-shut',
    text: `${whyShut(gate)} No logins since ${clockTime(gate.closedAt, timeZone)}.${until} ${whatNext(gate)}`,
    closedAt: gate.closedAt,
    ...(expectedAt !== undefined && { expectedAt }),
    requiredVersion: gate.version,
  };
}

/** Why the gate is shut, for users. Empty when it is open. */
export function whyShut(gate: GateState): string {
  switch (gate.phase) {
    case 'open':
      return '';
    case 'quarantined':
      return `The update failed and so did the way back; your administrator has to look: ${gate.failure.message}`;
    case 'shutting':
    case 'closing':
    case 'draining':
    case 'drained':
    case 'confirming':
    case 'confirmed':
    case 'reopening':
      return gate.cause.by === 'hand' ? gate.cause.reason : updating(gate);
    default:
      return assertNever(gate);
  }
}

function updating(gate: ShutGate): string {
  const run = holderOf(gate);
  const what = run ? `${run.product} is being updated to ${run.toVersion}.` : 'There is maintenance going on.';
  if (gate.phase !== 'confirmed' || !gate.overdue) return what;
  return `${what} It should have ended long ago; your administrator has to look.`;
}

function whatNext(gate: ShutGate): string {
  const stays = gate.phase === 'quarantined' || (gate.phase === 'confirmed' && gate.overdue);
  return stays ? 'Ask your administrator.' : 'You will be able to log in as soon as it is over.';
}

/** From how long it took the last time; never later than the run's own deadline. Undefined: unknown. */
export function expectedOpenAt(gate: GateState): number | undefined {
  const run = holderOf(gate);
  if (!run || gate.phase === 'open' || gate.lastShutMs === undefined) return undefined;
  const logoffAt = gate.logoffAt ?? gate.closedAt + run.reactionTimeMs;
  return Math.min(logoffAt + gate.lastShutMs, run.deadlineAt);
}

/** Hours and minutes in a zone, with the zone named. */
export function clockTime(at: number, timeZone: string): string {
  const options = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23', timeZone: timeZone || 'UTC' } as const;
  return `${new Intl.DateTimeFormat('en-GB', options).format(at)} (${timeZone || 'UTC'})`;
}
