import { assertNever } from '@lastcall/kernel';
import type { GateEvent } from './gate-messages.js';
import {
  isLeased,
  type FirstStart,
  type GateIn,
  type GateState,
  type Hold,
  type LeasedGate,
  type ShutGate,
  type Standing,
} from './gate-state.js';
import { withDecisions } from './hold-decisions.js';
import { withMessage } from './messages.js';
import type { Words } from './phrases.js';

/* The state of the gate after an event. */

/** Runs that are remembered as over. At most one is active, so the last few would do. */
export const OVER_KEPT = 32;
/** How many of the last times the estimate is made from. */
const SHUT_TIMES_KEPT = 5;

type Event<T extends GateEvent['type']> = Extract<GateEvent, { type: T }>;

export function evolveGate(gate: GateState, event: GateEvent): GateState {
  return withDecisions(gate, after(gate, event));
}

function after(gate: GateState, event: GateEvent): GateState {
  switch (event.type) {
    case 'shut':
      return shut(gate, event);
    case 'hand-marked':
      return { ...gate, hand: event.mark };
    case 'told':
      return gate.phase === 'shutting' ? told(gate, event) : gate;
    case 'lease-renewed':
      return leaseRenewed(gate, event.leaseUntil);
    case 'hold-asked':
      return inClosing(gate, (g) => withHold(g, event.hold));
    case 'hold-granted':
      return inClosing(gate, (g) => ({ ...withHold(g, event.hold), holdsGranted: g.holdsGranted + 1 }));
    case 'hold-released':
      return inClosing(gate, (g) => ({ ...g, holds: g.holds.filter((hold) => hold.id !== event.hold) }));
    case 'deadline-moved':
      return inClosing(gate, (g) => ({ ...g, notice: event.notice, ...logoffAt(event.notice.deadlineAt) }));
    case 'ending-begun':
      return gate.phase === 'closing' ? endingBegun(gate, event) : gate;
    case 'drained':
      return gate.phase === 'open' ? gate : drained(gate, event);
    case 'backup-noted':
      return gate.phase === 'drained' ? { ...gate, phase: 'confirming', giveUpAt: event.giveUpAt } : gate;
    case 'confirmed':
      return gate.phase === 'open' ? gate : { ...leasedPart(gate), phase: 'confirmed' };
    case 'alarm-raised':
      return gate.phase === 'confirmed' ? { ...gate, alarm: event.reason } : gate;
    case 'drain-failed':
      return gate;
    case 'first-starts-asked':
      return firstStartsAsked(gate, event);
    case 'first-start-proven':
      return withStart(gate, event.host, (start) => ({ ...start, state: 'proven', reason: '' }));
    case 'first-start-given-up':
      return withStart(gate, event.host, (start) => ({ ...start, state: 'given-up', reason: event.reason }));
    case 'first-start-settling':
      return withStart(gate, event.host, (start) => ({ ...start, giveUpAt: event.giveUpAt }));
    case 'reopened':
      return reopened(gate, event);
    case 'quarantined':
      return gate.phase === 'open' ? gate : { ...shutPart(gate), phase: 'quarantined', failure: event.failure };
    case 'hosts-quarantined':
      return { ...gate, quarantine: { ...gate.quarantine, ...event.hosts } };
    case 'hosts-released':
      return hostsReleased(gate, event.hosts);
    case 'late-noted': {
      const { late: _late, ...rest } = gate;
      return Object.keys(event.late).length > 0 ? { ...rest, late: event.late } : rest;
    }
    case 'opened-by-hand':
      return openedByHand(gate);
    case 'version-set':
    case 'catalog-heard':
    case 'answered':
    case 'message-sent':
      return { ...gate, ...standingAfter(gate, event) };
    default:
      return assertNever(event);
  }
}

type StandingEvent = Event<'version-set' | 'catalog-heard' | 'answered' | 'message-sent'>;

/** What changes and is there in every state. */
function standingAfter(gate: GateState, event: StandingEvent): Partial<Standing> {
  switch (event.type) {
    case 'version-set':
      return { version: event.version, superseded: event.superseded };
    case 'catalog-heard': {
      const heard = { catalogVersion: event.version };
      return event.isNews ? { ...heard, version: event.version, superseded: undefined } : heard;
    }
    case 'answered': {
      const { run, fence } = event.answer.run;
      return { over: [...gate.over, run].slice(-OVER_KEPT), fence: Math.max(gate.fence, fence) };
    }
    case 'message-sent':
      return event.notice.kind === 'message'
        ? { messages: withMessage(gate, event.notice) }
        : { announcement: event.notice };
    default:
      return assertNever(event);
  }
}

function standing(gate: GateState): Standing {
  const { epoch, version, catalogVersion, superseded, hand, firstStarts, quarantine, late, over, fence } = gate;
  const { messages, announcement, withdrawn, holdDecisions, shutTimesMs } = gate;
  return {
    epoch,
    version,
    catalogVersion,
    firstStarts,
    over,
    fence,
    ...(superseded !== undefined && { superseded }),
    ...(hand && { hand }),
    ...(quarantine && { quarantine }),
    ...(late && { late }),
    ...(messages && { messages }),
    ...(announcement && { announcement }),
    ...(withdrawn && { withdrawn }),
    ...(holdDecisions && { holdDecisions }),
    ...(shutTimesMs && { shutTimesMs }),
  };
}

function shutPart(gate: ShutGate): Standing & Pick<ShutGate, 'cause' | 'closedAt' | 'logoffAt'> {
  const { cause, closedAt } = gate;
  return { ...standing(gate), cause, closedAt, ...logoffAt(gate.logoffAt) };
}

function leasedPart(gate: ShutGate): ReturnType<typeof shutPart> & Pick<LeasedGate, 'leaseUntil'> {
  const part = shutPart(gate);
  return isLeased(gate) && gate.leaseUntil !== undefined ? { ...part, leaseUntil: gate.leaseUntil } : part;
}

/** The run is heard of again: that it was silent is no reason for an alarm any more. */
function leaseRenewed(gate: GateState, leaseUntil: number): GateState {
  if (!isLeased(gate)) return gate;
  if (gate.phase !== 'confirmed' || gate.alarm !== 'lease-lost') return { ...gate, leaseUntil };
  return { ...leasedPart(gate), phase: 'confirmed', leaseUntil };
}

/** Each session has one that counts and one that waits. */
function withHold(gate: GateIn<'closing'>, hold: Hold): GateIn<'closing'> {
  const isReplaced = ({ id, session, awaitsApproval }: Hold) =>
    id === hold.id || (session === hold.session && awaitsApproval === hold.awaitsApproval);
  return { ...gate, holds: [...gate.holds.filter((other) => !isReplaced(other)), hold] };
}

function logoffAt(at: number | undefined): { logoffAt?: number } {
  return at === undefined ? {} : { logoffAt: at };
}

function shut(gate: GateState, { cause, epoch, reactionTimeMs, text, leaseUntil, at }: Event<'shut'>): GateState {
  const lease = leaseUntil === undefined ? {} : { leaseUntil };
  return { ...withdraw(gate, ''), epoch, phase: 'shutting', cause, closedAt: at, reactionTimeMs, text, ...lease };
}

function told(gate: GateIn<'shutting'>, { notice, sessions }: Event<'told'>): GateState {
  const baseDeadlineAt = notice.deadlineAt ?? notice.sentAt;
  const part = { ...leasedPart(gate), logoffAt: baseDeadlineAt };
  return { ...part, phase: 'closing', notice, baseDeadlineAt, told: sessions, holds: [], holdsGranted: 0 };
}

function inClosing(gate: GateState, change: (gate: GateIn<'closing'>) => GateState): GateState {
  return gate.phase === 'closing' ? change(gate) : gate;
}

function endingBegun(gate: GateIn<'closing'>, { giveUpAt, at }: Event<'ending-begun'>): GateState {
  const { notice, holdsGranted } = gate;
  return { ...leasedPart(gate), phase: 'draining', notice, holdsGranted, giveUpAt, logoffAt: at };
}

/** Who is exempt keeps the time that the first notice gave, also when all the others went before. */
function drained(gate: ShutGate, { at, reopenAt }: Event<'drained'>): GateState {
  const exempt = gate.phase === 'closing' ? { exemptUntil: gate.baseDeadlineAt } : {};
  const end = reopenAt === undefined ? {} : { reopenAt };
  return { ...leasedPart(gate), phase: 'drained', logoffAt: at, ...exempt, ...end };
}

function firstStartsAsked(gate: GateState, { starts }: Event<'first-starts-asked'>): GateState {
  if (gate.phase === 'open') return { ...gate, firstStarts: starts };
  return { ...shutPart(gate), firstStarts: starts, phase: 'reopening' };
}

function withStart(gate: GateState, host: string, change: (start: FirstStart) => FirstStart): GateState {
  const start = gate.firstStarts[host];
  return start ? { ...gate, firstStarts: { ...gate.firstStarts, [host]: change(start) } } : gate;
}

/** What stays when the phase goes; a notice that stood is noted as withdrawn. */
function withdraw(gate: GateState, words: Words): Standing {
  const rest = standing(gate);
  const stood = gate.phase === 'closing' || gate.phase === 'draining';
  return stood ? { ...rest, withdrawn: { notice: gate.notice.id, words } } : rest;
}

function reopened(gate: GateState, { words, at }: Event<'reopened'>): GateState {
  const rest = withdraw(gate, words);
  const begun = gate.phase === 'reopening' || gate.phase === 'confirmed' ? gate.logoffAt : undefined;
  const lasting = begun === undefined ? rest : { ...rest, shutTimesMs: withShutTime(rest, Math.max(0, at - begun)) };
  const { hand } = rest;
  if (!hand) return { ...lasting, phase: 'open' };
  const cause = { by: 'hand', who: hand.who, reason: hand.reason } as const;
  // Those who are still inside are told anew, in the name of whoever wants it shut.
  const { reason: said, closedAt, reactionTimeMs } = hand;
  return { ...lasting, epoch: lasting.epoch + 1, phase: 'shutting', cause, closedAt, reactionTimeMs, text: said };
}

function withShutTime({ shutTimesMs = [] }: Standing, lastMs: number): readonly number[] {
  return [...shutTimesMs, lastMs].slice(-SHUT_TIMES_KEPT);
}

function hostsReleased(gate: GateState, hosts: readonly string[]): GateState {
  const { quarantine = {}, ...rest } = gate;
  const left = Object.entries(quarantine).filter(([host]) => !hosts.includes(host));
  return left.length > 0 ? { ...rest, quarantine: Object.fromEntries(left) } : rest;
}

function openedByHand(gate: GateState): GateState {
  const { hand: _hand, quarantine: _quarantine, ...rest } = withdraw(gate, { phrase: 'reopened' });
  return { ...rest, firstStarts: {}, phase: 'open' };
}
