import { closedForOf, failure, reject, type Rejected, type RunSpec } from '@lastcall/kernel';
import { failDrain } from './answers.js';
import type { GateCommand, GateEvent } from './gate-messages.js';
import { usualShutMs, type GateIn, type GateState, type Hold } from './gate-state.js';
import type { HoldPolicy } from './installation.js';

/*
 * A user's "not now". A hold moves the logoff of everybody, so it is granted only when the run's job allows it and within the limits of
 * the installation, and where two people are wanted it moves nothing until the second has agreed. A run whose logoff would come too
 * late for the rest of it is postponed, never squeezed. A hold ends by itself, with its owner's session, and with the run.
 */

type Decision = readonly GateEvent[] | Rejected;
type Command<T extends GateCommand['type']> = Extract<GateCommand, { type: T }>;
type Closing = GateIn<'closing'>;

export function askHold(gate: GateState, command: Command<'hold'>): Decision {
  const { session, user, reason, limits, at } = command;
  const run = gate.phase === 'closing' ? runOf(gate) : undefined;
  if (gate.phase !== 'closing' || !run?.holdsAllowed) return refusedIn(gate);
  if (isFull(gate, session, limits)) {
    const message = `The limit of ${limits.maxCount} holds for this logoff is reached.`;
    return reject('too-many', 'TOO_MANY_HOLDS', message, { facts: { max: String(limits.maxCount) } });
  }
  const latest = gate.baseDeadlineAt + limits.maxTotalDelayMs;
  const expiresAt = Math.min(at + Math.min(command.durationMs, limits.longestMs), latest);
  const before = deadlineOf(gate);
  if (expiresAt <= before) return before >= latest ? atLimit : tooShort;
  const awaitsApproval = limits.needsApproval;
  const asked = { id: command.hold, session, user, reason, createdAt: at, expiresAt, awaitsApproval, approvedBy: '' };
  return awaitsApproval ? [{ type: 'hold-asked', hold: asked }] : grant(gate, run, asked, command);
}

function refusedIn({ phase }: GateState): Rejected {
  return phase === 'closing'
    ? reject('refused', 'HOLDS_NOT_ALLOWED', 'This logoff cannot be moved.')
    : reject('refused', 'NO_LOGOFF_PLANNED', 'There is no logoff planned that could be moved.');
}

/** Those that ended count too; one that waits is replaced when its owner asks again. */
function isFull({ holds, holdsGranted }: Closing, session: string, { maxCount }: HoldPolicy): boolean {
  const waiting = holds.filter((hold) => hold.awaitsApproval && hold.session !== session);
  return holdsGranted + waiting.length >= maxCount;
}

const atLimit = reject('refused', 'HOLD_AT_LIMIT', 'The logoff cannot be moved any further.');
const tooShort = reject('refused', 'HOLD_TOO_SHORT', 'The logoff is not before the time that was asked for.');

function grant(gate: Closing, run: RunSpec, hold: Hold, { notice, at }: { notice: string; at: number }): GateEvent[] {
  const { reason, expiresAt } = hold;
  if (expiresAt + (closedForOf(run) ?? usualShutMs(gate) ?? 0) > run.deadlineAt) return postpone(gate, run, hold, at);
  const granted: GateEvent = { type: 'hold-granted', hold };
  // Meanwhile somebody else's has moved it further.
  return expiresAt <= deadlineOf(gate) ? [granted] : [granted, moved(gate, notice, expiresAt, reason, at)];
}

function postpone(gate: Closing, run: RunSpec, { user, reason }: Hold, at: number): GateEvent[] {
  const what = closedForOf(run) === undefined ? 'update' : 'maintenance window';
  const message = `The hold of ${user} leaves no room for the ${what} before its deadline; it is postponed.`;
  return failDrain(gate, run, 'postponed', failure('POSTPONED_BY_HOLDS', message, '', { user, reason }), at);
}

/** Empty when somebody has agreed before. */
export function approveHold(gate: GateState, { hold: id, by, notice, at }: Command<'approve-hold'>): Decision {
  const hold = holdOf(gate, id);
  const run = gate.phase === 'closing' ? runOf(gate) : undefined;
  if (gate.phase !== 'closing' || !run || !hold) return unknownHold(id);
  if (!hold.awaitsApproval) return [];
  if (hold.expiresAt <= at) return reject('refused', 'HOLD_OVER', 'This hold has ended by itself.');
  return grant(gate, run, { ...hold, awaitsApproval: false, approvedBy: by }, { notice, at });
}

export function releaseHold(gate: GateState, { hold: id, reason, notice, at }: Command<'release-hold'>): Decision {
  const hold = holdOf(gate, id);
  return gate.phase === 'closing' && hold ? release(gate, [hold], { notice, reason, at }) : unknownHold(id);
}

export function dropHolds(gate: GateState, { session, notice, at }: Command<'drop-hold'>): Decision {
  if (gate.phase !== 'closing') return [];
  const owned = gate.holds.filter((hold) => hold.session === session);
  return owned.length === 0 ? [] : release(gate, owned, { notice, reason: '', at });
}

/** Ends holds. Whoever relied on them keeps the whole reaction time. */
function release(
  gate: Closing,
  ended: readonly Hold[],
  { notice, reason, at }: { readonly notice: string; readonly reason: string; readonly at: number },
): GateEvent[] {
  const others = gate.holds.filter((hold) => !ended.includes(hold) && !hold.awaitsApproval);
  const reactionTimeMs = runOf(gate)?.reactionTimeMs ?? 0;
  const wanted = Math.max(gate.baseDeadlineAt, at + reactionTimeMs, ...others.map(({ expiresAt }) => expiresAt));
  const before = deadlineOf(gate);
  const released = ended.map(({ id }): GateEvent => ({ type: 'hold-released', hold: id }));
  return wanted < before ? [...released, moved(gate, notice, wanted, reason, at)] : released;
}

/** A new notice, because clients show each one once. */
function moved(gate: Closing, id: string, deadlineAt: number, reason: string, at: number): GateEvent {
  const notice = { ...gate.notice, id, kind: 'deadline-moved', text: '', deadlineAt, sentAt: at, reason } as const;
  return { type: 'deadline-moved', notice, sessions: gate.told };
}

function holdOf(gate: GateState, id: string): Hold | undefined {
  return gate.phase === 'closing' ? gate.holds.find((hold) => hold.id === id) : undefined;
}

function runOf({ cause }: Closing): RunSpec | undefined {
  return cause.by === 'run' ? cause.run : undefined;
}

function deadlineOf({ notice, baseDeadlineAt }: Closing): number {
  return notice.deadlineAt ?? baseDeadlineAt;
}

function unknownHold(id: string): Rejected {
  return reject('not-found', 'NOT_FOUND', `There is no hold ${id}.`);
}
