import { assertNever } from '@lastcall/kernel';
import { holderOf, shutHostsOf, usualShutMs, type GateState, type ShutGate } from './gate-state.js';
import type { SessionPolicy } from './installation.js';

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
  timeZone: string,
  now?: number,
): Refusal | undefined {
  const isShut = gate.phase !== 'open' && gate.phase !== 'reopening';
  if (isShut && !(exempt && admitsExempt(gate))) return gateShut(gate, timeZone, now);
  const shut = shutHostsOf(gate)[host];
  if (shut !== undefined) {
    const text = `You cannot log in on ${host} yet. ${shut} You will be able to log in as soon as that is done.`;
    return { reason: 'host-shut', text, requiredVersion: gate.version };
  }
  if (gate.version === '' || gate.version === version) return undefined;
  const text =
    `This program has version ${version}, but version ${gate.version} is needed. ` +
    'It follows by itself when the host has been updated; otherwise ask your administrator.';
  return { reason: 'wrong-version', text, requiredVersion: gate.version };
}

/**
 * Whether who was inside before may come back to the session: until the logoff, also through a shut gate. `now` absent: when it is not
 * known, nobody comes back to a gate that may be waiting for the last exempt users.
 */
export function mayResume(gate: GateState, applicant: Applicant, timeZone: string, now = Infinity): boolean {
  if (gate.phase === 'shutting' || gate.phase === 'closing') return true;
  if (gate.phase === 'confirming' && applicant.exempt) return !endsExempt(gate, now);
  return refusalFor(gate, applicant, timeZone) === undefined;
}

function gateShut(gate: ShutGate, timeZone: string, now: number | undefined): Refusal {
  const expectedAt = expectedOpenAt(gate, now);
  const since = `No logins since ${clockTime(gate.closedAt, timeZone, now)}.`;
  const until = untilWhen(gate, expectedAt, timeZone, now);
  return {
    reason: 'gate-shut',
    text: [whyShut(gate), since, until, whatNext(gate)].filter((part) => part !== '').join(' '),
    closedAt: gate.closedAt,
    ...(expectedAt !== undefined && { expectedAt }),
    requiredVersion: gate.version,
  };
}

/** The estimate; without one, when the run has to be over. */
function untilWhen(gate: ShutGate, expectedAt: number | undefined, timeZone: string, now: number | undefined): string {
  if (expectedAt !== undefined) return `It is expected to open again at ${clockTime(expectedAt, timeZone, now)}.`;
  const run = needsPerson(gate) ? undefined : holderOf(gate);
  if (!run || (now !== undefined && run.deadlineAt <= now)) return '';
  return `It should be over by ${clockTime(run.deadlineAt, timeZone, now)}.`;
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
  if (gate.phase !== 'confirmed' || !gate.alarm) return what;
  return `${what} It should have ended long ago; your administrator has to look.`;
}

function whatNext(gate: ShutGate): string {
  if (needsPerson(gate)) return 'Ask your administrator.';
  return gate.cause.by === 'hand'
    ? 'You will be able to log in as soon as an administrator opens it.'
    : 'You will be able to log in as soon as it is over.';
}

function needsPerson(gate: ShutGate): boolean {
  return gate.phase === 'quarantined' || (gate.phase === 'confirmed' && gate.alarm !== undefined);
}

/** From how long it usually takes; never later than the run's own deadline, and never in the past. Undefined: unknown. */
export function expectedOpenAt(gate: GateState, now = -Infinity): number | undefined {
  const run = holderOf(gate);
  const usualMs = usualShutMs(gate);
  if (!run || gate.phase === 'open' || usualMs === undefined || needsPerson(gate)) return undefined;
  const logoffAt = gate.logoffAt ?? gate.closedAt + run.reactionTimeMs;
  const expectedAt = Math.min(logoffAt + usualMs, run.deadlineAt);
  return expectedAt > now ? expectedAt : undefined;
}

/** Hours and minutes in a zone, with the zone named; with the day, if that is not today. */
export function clockTime(at: number, timeZone: string, now = at): string {
  const zone = timeZone || 'UTC';
  const { time, day } = formatsOf(zone);
  const onDay = day.format(at);
  return `${onDay === day.format(now) ? '' : `${onDay}, `}${time.format(at)} (${zone})`;
}

interface Formats {
  readonly time: Intl.DateTimeFormat;
  readonly day: Intl.DateTimeFormat;
}

/** By zone. Making one takes longer than everything else in a refusal, and thousands may be refused at once. */
const formats = new Map<string, Formats>();

function formatsOf(timeZone: string): Formats {
  const known = formats.get(timeZone);
  if (known) return known;
  const time = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', hourCycle: 'h23', timeZone });
  const made = { time, day: new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'long', timeZone }) };
  formats.set(timeZone, made);
  return made;
}
