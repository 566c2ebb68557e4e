import { assertNever, closedForOf, failure, reject, type Decider, type Rejected, type RunSpec } from '@lastcall/kernel';
import { aboutRun, answered, failDrain, heldBy, newsOf, reopen } from './answers.js';
import { expire } from './expiry.js';
import { finishFirstStartOrder, firstStartsOf, proveFirstStart } from './first-starts.js';
import { evolveGate } from './gate-evolve.js';
import type { Answer, GateCommand, GateEvent } from './gate-messages.js';
import {
  holderOf,
  initialGate,
  isForAll,
  isOver,
  shutHostsOf,
  type DrainCounts,
  type GateIn,
  type GateState,
  type Notice,
} from './gate-state.js';
import { approveHold, askHold, dropHolds, releaseHold } from './holds.js';
import { caughtUp, lateAfter, noteLate } from './late-hosts.js';
import { renewLease } from './lease.js';
import { endMaintenance, isTooLate, reopenTime, tooLate } from './maintenance.js';

/*
 * Whether users may log in to an installation.
 *
 * What it keeps, whatever comes in whatever order and how often:
 * - Nobody is logged off before a notice was sent and the whole reaction time has passed since; exempt users neither, when all the
 *   others are gone sooner.
 * - Zero is proven before the install (`drained`) and again right before it (`confirmed`), both in the epoch of the shutting.
 * - Each run is answered at most once, and every end that is heard of is answered. A run that is over shuts nothing.
 * - While an install may be running, only the installer's word opens the gate, or a person after the alarm. A lease that runs out
 *   opens it before that, and raises the alarm from there on.
 * - A shut gate has a time by which something happens, an alarm, or a person who shut it.
 * - Holds move the logoff within the limits of the installation and of the run's window; beyond it the run is postponed.
 * - A maintenance window stays at `drained` and is over at a time of its own (maintenance.ts).
 */

type Decision = readonly GateEvent[] | Rejected;
type Command<T extends GateCommand['type']> = Extract<GateCommand, { type: T }>;

function decide(gate: GateState, command: GateCommand): Decision {
  switch (command.type) {
    case 'shut':
      return shut(gate, command);
    case 'renew-lease':
      return renewLease(gate, command);
    case 'shut-by-hand':
      return shutByHand(gate, command);
    case 'tell':
      return tell(gate, command);
    case 'end':
      return end(gate, command);
    case 'prove':
      return prove(gate, command);
    case 'note-backup':
      return noteBackup(gate, command);
    case 'fail':
      return fail(gate, command);
    case 'update':
      return update(gate, command);
    case 'roll-back':
      return rollBack(gate, command);
    case 'quarantine':
      return quarantine(gate, command);
    case 'release-host':
      return releaseHost(gate, command);
    case 'note-late':
      return noteLate(gate, command);
    case 'catch-up':
      return caughtUp(gate, command);
    case 'prove-first-start':
      return proveFirstStart(gate, command);
    case 'finish-first-start-order':
      return finishFirstStartOrder(gate, command);
    case 'expire':
      return expire(gate, command);
    case 'open-by-hand':
      return openByHand(gate, command);
    case 'hold':
      return askHold(gate, command);
    case 'approve-hold':
      return approveHold(gate, command);
    case 'release-hold':
      return releaseHold(gate, command);
    case 'drop-hold':
      return dropHolds(gate, command);
    case 'learn-version':
      return learnVersion(gate, command.version);
    case 'send-message':
      return sendMessage(gate, command);
    default:
      return assertNever(command);
  }
}

/** The same one again is what a crash leads to. */
function sendMessage(gate: GateState, { notice, apartMs = 0 }: Command<'send-message'>): Decision {
  const { announcement, messages = [] } = gate;
  if ([announcement, ...messages].some((known) => known?.id === notice.id)) return [];
  const isTooSoon = notice.kind !== 'message' && announcement && notice.sentAt < announcement.sentAt + apartMs;
  return isTooSoon ? [] : [{ type: 'message-sent', notice }];
}

function shut(gate: GateState, { run, leaseMs, at }: Command<'shut'>): Decision {
  // Fences grow with every run of an installation: a lower one belongs to a run that is over, however long ago.
  if (isOver(gate, run.run) || run.fence < gate.fence) return [];
  const holder = holderOf(gate);
  if (holder?.run === run.run || (holder && holder.fence >= run.fence)) return [];
  if (isTooLate(run, at)) return [answered(gate, tooLate(run))];
  const why = failure('SUPERSEDED', `Run ${run.run} took over the gate before this run had ended.`);
  const before = holder ? [answered(gate, { run: holder, outcome: 'failed', failure: why })] : [];
  const { reactionTimeMs, message: text } = run;
  const cause = { by: 'run', run } as const;
  // A maintenance window ends by itself, with or without whoever started it.
  const lease = closedForOf(run) === undefined ? { leaseUntil: at + leaseMs } : {};
  return [...before, { type: 'shut', cause, epoch: gate.epoch + 1, reactionTimeMs, text, ...lease, at }];
}

function shutByHand(gate: GateState, { who, reason, reactionTimeMs, at }: Command<'shut-by-hand'>): Decision {
  if (gate.hand) return [];
  const marked: GateEvent = { type: 'hand-marked', mark: { who, reason, closedAt: at, reactionTimeMs } };
  if (gate.phase !== 'open') return [marked];
  const cause = { by: 'hand', who, reason } as const;
  return [marked, { type: 'shut', cause, epoch: gate.epoch + 1, reactionTimeMs, text: reason, at }];
}

function tell(gate: GateState, { notice: id, sessions, at }: Command<'tell'>): Decision {
  if (gate.phase !== 'shutting') return [];
  const { text, reactionTimeMs } = gate;
  const about = aboutRun(holderOf(gate));
  const notice: Notice = {
    id,
    kind: 'logoff',
    text,
    deadlineAt: at + reactionTimeMs,
    sentAt: at,
    ...about,
    reason: '',
  };
  return [{ type: 'told', notice, sessions }];
}

function end(gate: GateState, { at, giveUpAt }: Command<'end'>): Decision {
  if (gate.phase !== 'closing' || at < (gate.notice.deadlineAt ?? Infinity)) return [];
  return [{ type: 'ending-begun', giveUpAt, at }];
}

function prove(gate: GateState, { epoch, sessions, counts, at }: Command<'prove'>): Decision {
  if (epoch !== gate.epoch) return [];
  switch (gate.phase) {
    case 'closing':
      // All of them left by themselves: there is nobody to wait for.
      return sessions === 0 ? [drained(gate, counts, at)] : [];
    case 'draining':
      return sessions === 0 ? [drained(gate, counts, at)] : notEmpty(gate, sessions, at);
    case 'confirming':
      return sessions === 0 ? [{ type: 'confirmed' }] : notEmpty(gate, sessions, at);
    case 'open':
    case 'shutting':
    case 'drained':
    case 'confirmed':
    case 'reopening':
    case 'quarantined':
      return [];
    default:
      return assertNever(gate);
  }
}

function drained(gate: GateIn<'closing' | 'draining'>, counts: DrainCounts, at: number): GateEvent {
  return { type: 'drained', counts, holds: gate.holdsGranted, ...reopenTime(holderOf(gate), at), at };
}

/** The time to log off exempt users begins when they may be ended. */
function noteBackup(gate: GateState, { run, at, giveUpAt }: Command<'note-backup'>): Decision {
  if (gate.phase !== 'drained' || gate.reopenAt !== undefined || holderOf(gate)?.run !== run) return [];
  const waitMs = Math.max(0, (gate.exemptUntil ?? at) - at);
  return [{ type: 'backup-noted', giveUpAt: giveUpAt + waitMs }];
}

function notEmpty(gate: GateIn<'draining' | 'confirming'>, sessions: number, at: number): Decision {
  const run = holderOf(gate);
  // Shut by hand there is nobody to tell; it goes on until the last lease has run out.
  if (!run || at < gate.giveUpAt) return [];
  const message = `${sessions} sessions were still there when the time to log them off was over; look for replicas that hang`;
  return failDrain(gate, run, 'failed', failure('SESSIONS_REMAIN', message, '', { sessions: String(sessions) }), at);
}

function fail(gate: GateState, { run, after, outcome, failure: why, at }: Command<'fail'>): Decision {
  if (isOver(gate, run.run)) return [];
  const answer = { run, outcome, failure: why };
  const held = heldBy(gate, run);
  if (!held) return [answered(gate, answer)];
  if (held.phase === 'reopening' || (held.phase === 'confirmed' && after !== 'cancel')) return [];
  return reopen(held, answer, at);
}

function update(gate: GateState, command: Command<'update'>): Decision {
  const { run, at } = command;
  if (isOver(gate, run.run)) return [];
  // Until the catalog has told it, its older word for the version is no news.
  const superseded = gate.catalogVersion === run.toVersion ? {} : { superseded: gate.catalogVersion };
  const version: GateEvent = { type: 'version-set', version: run.toVersion, ...superseded };
  const proven = [version, ...releasedBy(gate, command), ...lateAfter(gate, command)];
  const answer: Answer = { run, outcome: 'succeeded' };
  const held = heldBy(gate, run);
  if (!held) return [...proven, answered(gate, answer)];
  if (held.phase === 'reopening') return [];
  const starts = firstStartsOf(command);
  const asked: GateEvent = { type: 'first-starts-asked', run, starts };
  return Object.keys(starts).length === 0 ? [...proven, asked, ...reopen(held, answer, at)] : [...proven, asked];
}

/** A host that has just been updated needs nobody any more. */
function releasedBy(gate: GateState, { run, absentHosts }: Command<'update'>): GateEvent[] {
  const hosts = Object.keys(gate.quarantine ?? {}).filter(
    (host) => run.hosts.some((h) => h.host === host) && !absentHosts.includes(host),
  );
  return hosts.length > 0 ? [{ type: 'hosts-released', hosts }] : [];
}

function rollBack(gate: GateState, { run, failure: why, at }: Command<'roll-back'>): Decision {
  if (isOver(gate, run.run)) return [];
  const answer: Answer = { run, outcome: 'rolled-back', failure: why };
  const held = heldBy(gate, run);
  if (!held) return [answered(gate, answer)];
  if (held.phase === 'reopening') return [];
  return [{ type: 'version-set', version: run.fromVersion || gate.version }, ...reopen(held, answer, at)];
}

function quarantine(gate: GateState, { run, failure: why, hosts, at }: Command<'quarantine'>): Decision {
  if (isOver(gate, run.run)) return [];
  const answer: Answer = { run, outcome: 'quarantined', failure: why };
  const names = Object.keys(hosts);
  const marked: GateEvent[] = names.length > 0 ? [{ type: 'hosts-quarantined', hosts }] : [];
  const held = heldBy(gate, run);
  if (!held) return [...marked, answered(gate, answer)];
  if (held.phase === 'reopening') return [];
  if (isForAll(run, names)) {
    return [...marked, answered(gate, answer), { type: 'quarantined', failure: why }];
  }
  return [...marked, { type: 'version-set', version: run.fromVersion || gate.version }, ...reopen(held, answer, at)];
}

function releaseHost(gate: GateState, { run, host, at }: Command<'release-host'>): Decision {
  if (gate.quarantine?.[host] === undefined) return [];
  const released: GateEvent = { type: 'hosts-released', hosts: [host] };
  const isItsGate = gate.phase === 'quarantined' && gate.cause.by === 'run' && gate.cause.run.run === run.run;
  const left = Object.keys(gate.quarantine).filter((other) => other !== host);
  if (!isItsGate || (left.length > 0 && isForAll(run, left))) return [released];
  return [
    released,
    { type: 'version-set', version: run.fromVersion || gate.version },
    { type: 'reopened', words: '', at },
  ];
}

function openByHand(gate: GateState, { who, reason, at }: Command<'open-by-hand'>): Decision {
  const opened: GateEvent = { type: 'opened-by-hand', who, reason };
  const run = holderOf(gate);
  const why = failure('OPENED_BY_HAND', `${who} opened the gate by hand: ${reason}`);
  switch (gate.phase) {
    case 'open':
      return Object.keys(shutHostsOf(gate)).length > 0 ? [opened] : [];
    case 'quarantined':
      return [opened];
    case 'shutting':
    case 'closing':
    case 'draining':
      if (!run) return [opened];
      return [{ type: 'drain-failed', failure: why }, answered(gate, { run, outcome: 'failed', failure: why }), opened];
    case 'drained':
      if (run && gate.reopenAt !== undefined) return endMaintenance(gate, run, opened, at);
      return run ? installRunning(run) : [opened];
    case 'confirming':
      return run ? installRunning(run) : [opened];
    case 'confirmed':
      if (!run || !gate.alarm) return run ? installRunning(run) : [opened];
      return [answered(gate, { run, outcome: 'quarantined', failure: why }), opened];
    case 'reopening': {
      if (!run) return [opened];
      const answer: Answer = { run, outcome: 'succeeded' };
      return [answered(gate, answer), opened, ...newsOf(answer, at)];
    }
    default:
      return assertNever(gate);
  }
}

function installRunning({ run }: RunSpec): Rejected {
  const message =
    `Run ${run} has logged everybody off and has no outcome yet, so hosts may be changing right now; ` +
    'the gate cannot be opened. Cancel the run, or wait: it opens by itself with the outcome.';
  return reject('refused', 'INSTALL_RUNNING', message, { facts: { run } });
}

function learnVersion(gate: GateState, version: string): Decision {
  const isNews = version !== gate.superseded;
  if (version === gate.catalogVersion && (!isNews || version === gate.version)) return [];
  return [{ type: 'catalog-heard', version, isNews }];
}

export const gate: Decider<GateState, GateCommand, GateEvent> = { initial: initialGate, decide, evolve: evolveGate };
