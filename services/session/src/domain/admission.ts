import { assertNever, closedForOf } from '@lastcall/kernel';
import { holderOf, usualShutMs, type GateState, type ShutGate } from './gate-state.js';
import type { SessionPolicy } from './installation.js';
import { foreseenReopening } from './maintenance.js';
import type { Phrase, Words } from './phrases.js';

/*
 * Who is let in, and what those who are not are told: why, since when, until when, what happens next.
 */

export type RefusalReason = 'gate-shut' | 'wrong-version' | 'host-shut' | 'invalid' | 'not-permitted' | 'too-many';

export interface Refusal {
  readonly reason: RefusalReason;
  /** For the user. */
  readonly words: Words;
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
  /** One of those who may be inside while the gate is shut, until the install starts. */
  readonly exempt?: boolean;
}

/** Whether the installation exempts the user: for support, which has to look while nobody else is in. */
export function isExempt(user: string, { exemptUsers }: Pick<SessionPolicy, 'exemptUsers'>): boolean {
  return exemptUsers.includes(user);
}

/** Whether exempt users may be inside although the gate is shut. From `confirming` on nobody may: the data has been backed up. */
export function admitsExempt({ phase }: GateState): boolean {
  return phase === 'shutting' || phase === 'closing' || phase === 'draining' || phase === 'drained';
}

/** Whether exempt users who are inside are logged off now: not before the time that the first notice gave them. */
export function endsExempt(gate: GateState, now: number): boolean {
  if (gate.phase === 'confirming') return now >= (gate.exemptUntil ?? now);
  return gate.phase !== 'open' && gate.phase !== 'reopening' && !admitsExempt(gate);
}

/** Undefined: come in. `now`: so that no time is promised that is over. */
export function refusalFor(
  gate: GateState,
  { host, version, exempt = false }: Applicant,
  now?: number,
): Refusal | undefined {
  const isShut = gate.phase !== 'open' && gate.phase !== 'reopening';
  if (isShut && !(exempt && admitsExempt(gate))) return gateShut(gate, now);
  const shut = whyHostShut(gate, host);
  if (shut) return { reason: 'host-shut', words: shut, requiredVersion: gate.version };
  const late = whyLate(gate, host);
  if (gate.version === '' || gate.version === version) {
    return late && { reason: 'host-shut', words: late, requiredVersion: gate.version };
  }
  const words: Phrase = { phrase: 'wrong-version', version, wanted: gate.version };
  return { reason: 'wrong-version', words: late ? [words, late] : words, requiredVersion: gate.version };
}

function whyLate({ late }: GateState, host: string): Phrase | undefined {
  const found = late?.[host];
  if (!found) return undefined;
  const { why, givenUp } = found;
  if (why === '') return { phrase: 'host-late', host };
  // What failed there is for operators.
  return { phrase: givenUp ? 'host-late-given-up' : 'host-late-failed', host };
}

function whyHostShut({ firstStarts, quarantine }: GateState, host: string): Phrase | undefined {
  if (quarantine?.[host] !== undefined) return { phrase: 'host-quarantined', host };
  const start = firstStarts[host];
  if (!start || start.state === 'proven') return undefined;
  return { phrase: start.state === 'waiting' ? 'host-waits' : 'host-given-up', host };
}

/**
 * Whether who was inside before may come back to the session: until the logoff, also through a shut gate. `now` absent: when it is not
 * known, nobody comes back to a gate that may be waiting for the last exempt users.
 */
export function mayResume(gate: GateState, applicant: Applicant, now = Infinity): boolean {
  if (gate.phase === 'shutting' || gate.phase === 'closing') return true;
  if (gate.phase === 'confirming' && applicant.exempt) return !endsExempt(gate, now);
  return refusalFor(gate, applicant) === undefined;
}

function gateShut(gate: ShutGate, now: number | undefined): Refusal {
  const expectedAt = expectedOpenAt(gate, now);
  const since: Phrase = { phrase: 'shut-since', since: { at: gate.closedAt, now } };
  return {
    reason: 'gate-shut',
    words: [whyShut(gate), since, untilWhen(gate, expectedAt, now), whatNext(gate)],
    closedAt: gate.closedAt,
    ...(expectedAt !== undefined && { expectedAt }),
    requiredVersion: gate.version,
  };
}

/** The estimate; without one, when the run has to be over. */
function untilWhen(gate: ShutGate, expectedAt: number | undefined, now: number | undefined): Words {
  if (expectedAt !== undefined) return { phrase: 'open-about', until: { at: expectedAt, now } };
  const run = needsPerson(gate) ? undefined : holderOf(gate);
  if (!run || (now !== undefined && run.deadlineAt <= now)) return '';
  return { phrase: 'over-by', until: { at: run.deadlineAt, now } };
}

/** Why the gate is shut, for users. Empty when it is open. */
export function whyShut(gate: GateState): Words {
  switch (gate.phase) {
    case 'open':
      return '';
    case 'quarantined':
      return { phrase: 'way-back-failed' };
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

function updating(gate: ShutGate): Words {
  const run = holderOf(gate);
  if (run && closedForOf(run) !== undefined) return run.message || { phrase: 'maintenance' };
  const what: Phrase = run
    ? { phrase: 'updating', product: run.product, version: run.toVersion }
    : { phrase: 'maintenance' };
  return gate.phase === 'confirmed' && gate.alarm ? [what, { phrase: 'overdue' }] : what;
}

function whatNext(gate: ShutGate): Phrase {
  if (needsPerson(gate)) return { phrase: 'ask-administrator' };
  return { phrase: gate.cause.by === 'hand' ? 'open-by-administrator' : 'open-when-over' };
}

function needsPerson(gate: ShutGate): boolean {
  return gate.phase === 'quarantined' || (gate.phase === 'confirmed' && gate.alarm !== undefined);
}

/** The end of a maintenance window, or from how long it usually takes; never later than the run's own deadline, and never in the past. Undefined: unknown. */
export function expectedOpenAt(gate: GateState, now = -Infinity): number | undefined {
  const run = holderOf(gate);
  const usualMs = usualShutMs(gate);
  if (!run || gate.phase === 'open' || needsPerson(gate)) return undefined;
  const logoffAt = gate.logoffAt ?? gate.closedAt + run.reactionTimeMs;
  const openAt = foreseenReopening(gate, run) ?? (usualMs === undefined ? undefined : logoffAt + usualMs);
  if (openAt === undefined) return undefined;
  const expectedAt = Math.min(openAt, run.deadlineAt);
  return expectedAt > now ? expectedAt : undefined;
}
