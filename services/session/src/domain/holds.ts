import { HOUR_MS, reject, type Rejected } from '@lastcall/kernel';
import type { GateCommand, GateEvent, GateIn, GateState, Hold } from './gate-state.js';

/*
 * A user's "not now". A hold moves the logoff of everybody, so it is granted only when the run's job allows it, and never
 * beyond four hours or the run's own deadline.
 */

export const HOLD_MAX_MS = 4 * HOUR_MS;
export const HOLDS_MAX = 200;

type Decision = readonly GateEvent[] | Rejected;

export function grantHold(gate: GateState, command: Extract<GateCommand, { type: 'hold' }>): Decision {
  if (gate.phase !== 'closing') {
    return reject('refused', 'NO_LOGOFF_PLANNED', 'There is no logoff planned that could be moved.');
  }
  if (gate.cause.by !== 'run' || !gate.cause.run.holdsAllowed) {
    return reject('refused', 'HOLDS_NOT_ALLOWED', 'This logoff cannot be moved; please save your work now.');
  }
  const { session, user, reason, at } = command;
  if (gate.holds.length >= HOLDS_MAX && !gate.holds.some((hold) => hold.session === session)) {
    return reject('too-many', 'TOO_MANY_HOLDS', `${HOLDS_MAX} users have asked for more time already.`);
  }
  const latest = Math.min(gate.baseDeadlineAt + HOLD_MAX_MS, gate.cause.run.deadlineAt);
  const expiresAt = Math.min(at + command.durationMs, latest);
  const deadlineAt = gate.notice.deadlineAt ?? gate.baseDeadlineAt;
  if (expiresAt <= deadlineAt) return reject('refused', 'HOLD_TOO_SHORT', tooShort(deadlineAt >= latest));
  const hold: Hold = { id: command.hold, session, user, reason, createdAt: at, expiresAt };
  return [{ type: 'hold-granted', hold }, moved(gate, command.notice, expiresAt, at)];
}

function tooShort(atLimit: boolean): string {
  return atLimit
    ? 'The logoff cannot be moved any further; please save your work now.'
    : 'The logoff is not before the time that you asked for.';
}

/** Ends a hold. Whoever relied on it keeps the whole reaction time. */
export function releaseHold(gate: GateState, command: Extract<GateCommand, { type: 'release-hold' }>): Decision {
  const { hold: id, notice, at } = command;
  const hold = gate.phase === 'closing' ? gate.holds.find((h) => h.id === id) : undefined;
  if (gate.phase !== 'closing' || !hold) return reject('not-found', 'NOT_FOUND', `There is no hold ${id}.`);
  const reactionTimeMs = gate.cause.by === 'run' ? gate.cause.run.reactionTimeMs : 0;
  const others = gate.holds.filter((h) => h !== hold).map((h) => h.expiresAt);
  const before = gate.notice.deadlineAt ?? gate.baseDeadlineAt;
  const deadlineAt = Math.min(before, Math.max(gate.baseDeadlineAt, at + reactionTimeMs, ...others));
  const released: GateEvent = { type: 'hold-released', hold: id };
  return deadlineAt === before ? [released] : [released, moved(gate, notice, deadlineAt, at)];
}

/** A new notice, because clients show each one once. */
function moved(gate: GateIn<'closing'>, id: string, deadlineAt: number, at: number): GateEvent {
  return { type: 'deadline-moved', notice: { ...gate.notice, id, deadlineAt, sentAt: at }, sessions: gate.told };
}
