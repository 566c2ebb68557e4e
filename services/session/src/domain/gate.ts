import {
  assertNever,
  failure,
  isRejected,
  reject,
  type Decider,
  type Failure,
  type Rejected,
  type RunSpec,
} from '@lastcall/kernel';
import { evolveGate } from './gate-evolve.js';
import {
  holderOf,
  initialGate,
  isOver,
  type Answer,
  type DrainCounts,
  type FirstStart,
  type GateCommand,
  type GateEvent,
  type GateIn,
  type GateState,
  type Notice,
  type ShutGate,
} from './gate-state.js';
import { grantHold, releaseHold } from './holds.js';

/*
 * Whether users may log in to an installation.
 *
 * What it keeps, whatever comes in whatever order and how often:
 * - Nobody is logged off before a notice was sent and the whole reaction time has passed since.
 * - Zero is proven before the install (`drained`) and again right before it (`confirmed`), both in the epoch of the shutting.
 * - Each run is answered at most once, and every end that is heard of is answered. A run that is over shuts nothing.
 * - While an install may be running, only the installer's word opens the gate, or a person after the alarm.
 * - A shut gate has a time by which something happens, an alarm, or a person who shut it.
 */

type Decision = readonly GateEvent[] | Rejected;
type Command<T extends GateCommand['type']> = Extract<GateCommand, { type: T }>;

function decide(gate: GateState, command: GateCommand): Decision {
  switch (command.type) {
    case 'shut':
      return shut(gate, command);
    case 'shut-by-hand':
      return shutByHand(gate, command);
    case 'tell':
      return tell(gate, command);
    case 'end':
      return end(gate, command);
    case 'prove':
      return prove(gate, command);
    case 'note-backup':
      return gate.phase === 'drained' && holderOf(gate)?.run === command.run
        ? [{ type: 'backup-noted', giveUpAt: command.giveUpAt }]
        : [];
    case 'fail':
      return fail(gate, command);
    case 'update':
      return update(gate, command);
    case 'roll-back':
      return rollBack(gate, command);
    case 'quarantine':
      return quarantine(gate, command);
    case 'prove-first-start':
      return proveFirstStart(gate, command);
    case 'finish-first-start-order':
      return finishFirstStartOrder(gate, command);
    case 'expire':
      return expire(gate, command);
    case 'open-by-hand':
      return openByHand(gate, command);
    case 'hold':
      return grantHold(gate, command);
    case 'release-hold':
      return releaseHold(gate, command);
    case 'learn-version':
      return learnVersion(gate, command.version);
    case 'send-message':
      return [{ type: 'message-sent', notice: command.notice }];
    default:
      return assertNever(command);
  }
}

function shut(gate: GateState, { run, at }: Command<'shut'>): Decision {
  // Fences grow with every run of an installation: a lower one belongs to a run that is over, however long ago.
  if (isOver(gate, run.run) || run.fence < gate.fence) return [];
  const holder = holderOf(gate);
  if (holder?.run === run.run || (holder && holder.fence >= run.fence)) return [];
  const why = failure('SUPERSEDED', `Run ${run.run} took over the gate before this run had ended.`);
  const before = holder ? [answered(gate, { run: holder, outcome: 'failed', failure: why })] : [];
  const text = run.message || `${run.product} is going to be updated to ${run.toVersion}. Please save your work.`;
  const { reactionTimeMs } = run;
  return [...before, { type: 'shut', cause: { by: 'run', run }, epoch: gate.epoch + 1, reactionTimeMs, text, at }];
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
  const version = gate.cause.by === 'run' ? gate.cause.run.toVersion : '';
  const notice: Notice = { id, text: gate.text, deadlineAt: at + gate.reactionTimeMs, sentAt: at, version };
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
  return { type: 'drained', counts, told: gate.told, at };
}

function notEmpty(gate: GateIn<'draining' | 'confirming'>, sessions: number, at: number): Decision {
  const run = holderOf(gate);
  // Shut by hand there is nobody to tell; it goes on until the last lease has run out.
  if (!run || at < gate.giveUpAt) return [];
  const message = `${sessions} sessions were still there when the time to log them off was over; look for replicas that hang`;
  return failDrain(gate, run, 'failed', failure('SESSIONS_REMAIN', message, '', { sessions: String(sessions) }), at);
}

function failDrain(gate: ShutGate, run: RunSpec, outcome: 'failed' | 'expired', why: Failure, at: number): GateEvent[] {
  return [{ type: 'drain-failed', failure: why }, ...reopen(gate, { run, outcome, failure: why }, at)];
}

/** The answer to a run, and the gate opens. */
function reopen(gate: ShutGate, answer: Answer, at: number): GateEvent[] {
  const text = answer.outcome === 'succeeded' ? '' : 'The update does not take place now; you can go on working.';
  return [answered(gate, answer), { type: 'reopened', text, at }];
}

function answered(gate: GateState, answer: Answer): GateEvent {
  const holds = holderOf(gate)?.run === answer.run.run;
  return {
    type: 'answered',
    answer,
    epoch: holds ? gate.epoch : 0,
    ...(holds && gate.phase !== 'open' && { closedAt: gate.closedAt }),
  };
}

/** The gate, if this run holds it. */
function heldBy(gate: GateState, { run }: RunSpec): ShutGate | undefined {
  return gate.phase !== 'open' && holderOf(gate)?.run === run ? gate : undefined;
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
  const answer: Answer = { run, outcome: 'succeeded' };
  const held = heldBy(gate, run);
  if (!held) return [version, answered(gate, answer)];
  if (held.phase === 'reopening') return [];
  const starts = firstStartsOf(command);
  const asked: GateEvent = { type: 'first-starts-asked', run, starts };
  return Object.keys(starts).length === 0 ? [version, asked, ...reopen(held, answer, at)] : [version, asked];
}

/** Id of the order; the same when the step is decided again. */
export function firstStartOrderId(run: string, host: string): string {
  return `${run}.${host}.first-start-1`;
}

function firstStartsOf({ run, absentHosts, codes, giveUpAt }: Command<'update'>): Readonly<Record<string, FirstStart>> {
  const hosts = run.hosts.filter(({ host, role }) => role === 'terminal-server' && !absentHosts.includes(host));
  const start = (host: string): FirstStart => ({
    state: 'waiting',
    order: firstStartOrderId(run.run, host),
    code: codes[host] ?? '',
    version: run.toVersion,
    run,
    giveUpAt,
    reason: '',
  });
  return Object.fromEntries(hosts.map(({ host }) => [host, start(host)]));
}

function rollBack(gate: GateState, { run, failure: why, at }: Command<'roll-back'>): Decision {
  if (isOver(gate, run.run)) return [];
  const answer: Answer = { run, outcome: 'rolled-back', failure: why };
  const held = heldBy(gate, run);
  if (!held) return [answered(gate, answer)];
  if (held.phase === 'reopening') return [];
  return [{ type: 'version-set', version: run.fromVersion || gate.version }, ...reopen(held, answer, at)];
}

function quarantine(gate: GateState, { run, failure: why }: Command<'quarantine'>): Decision {
  if (isOver(gate, run.run)) return [];
  const answer: Answer = { run, outcome: 'quarantined', failure: why };
  const held = heldBy(gate, run);
  if (!held) return [answered(gate, answer)];
  if (held.phase === 'reopening') return [];
  return [answered(gate, answer), { type: 'quarantined', failure: why }];
}

function proveFirstStart(gate: GateState, { host, code, version, at }: Command<'prove-first-start'>): Decision {
  const start = gate.firstStarts[host];
  if (!start || code === '' || start.code !== code) {
    const message = 'This first start is not expected here: its code is not known, or for another host.';
    return reject('refused', 'FIRST_START_UNKNOWN', message, { facts: { host } });
  }
  if (version !== start.version) {
    const message = `The client has version ${version}, but ${start.version} was installed on this host.`;
    return reject('refused', 'WRONG_VERSION', message, { facts: { host, version, wanted: start.version } });
  }
  if (start.state === 'proven') return [];
  return settled(gate, [{ type: 'first-start-proven', host }], at);
}

function finishFirstStartOrder(gate: GateState, command: Command<'finish-first-start-order'>): Decision {
  const { order, failure: why, at, settleMs } = command;
  const [host, start] = Object.entries(gate.firstStarts).find(([, s]) => s.order === order) ?? [];
  if (host === undefined || start?.state !== 'waiting') return [];
  if (why) return settled(gate, [{ type: 'first-start-given-up', host, reason: why.message || why.reason }], at);
  const giveUpAt = at + settleMs;
  return giveUpAt < start.giveUpAt ? [{ type: 'first-start-settling', host, giveUpAt }] : [];
}

/** Opens the gate when no host is waited for any more. */
function settled(gate: GateState, events: readonly GateEvent[], at: number): readonly GateEvent[] {
  const next = events.reduce(evolveGate, gate);
  if (next.phase !== 'reopening' || next.cause.by !== 'run') return events;
  if (Object.values(next.firstStarts).some((start) => start.state === 'waiting')) return events;
  return [...events, ...reopen(next, { run: next.cause.run, outcome: 'succeeded' }, at)];
}

function expire(gate: GateState, { at, overdueGraceMs }: Command<'expire'>): Decision {
  if (gate.phase === 'reopening') {
    const late = Object.entries(gate.firstStarts).filter(([, s]) => s.state === 'waiting' && s.giveUpAt <= at);
    const reason = 'Its first start was not proven in time; start the client there once, or open the gate by hand.';
    const events = late.map(([host]): GateEvent => ({ type: 'first-start-given-up', host, reason }));
    return settled(gate, events, at);
  }
  const run = holderOf(gate);
  if (gate.phase === 'open' || !run || at < run.deadlineAt + overdueGraceMs) return [];
  if (gate.phase === 'confirmed') return gate.overdue ? [] : [{ type: 'alarm-raised' }];
  const message =
    'Nobody said how the run ended, long after its deadline; nothing was installed, so the gate opens again.';
  return failDrain(gate, run, 'expired', failure('NO_OUTCOME', message), at);
}

function openByHand(gate: GateState, { who, reason }: Command<'open-by-hand'>): Decision {
  const opened: GateEvent = { type: 'opened-by-hand', who, reason };
  const run = holderOf(gate);
  const why = failure('OPENED_BY_HAND', `${who} opened the gate by hand: ${reason}`);
  switch (gate.phase) {
    case 'open':
      return Object.values(gate.firstStarts).some((s) => s.state !== 'proven') ? [opened] : [];
    case 'quarantined':
      return [opened];
    case 'shutting':
    case 'closing':
    case 'draining':
      if (!run) return [opened];
      return [{ type: 'drain-failed', failure: why }, answered(gate, { run, outcome: 'failed', failure: why }), opened];
    case 'drained':
    case 'confirming':
      return run ? installRunning(run) : [opened];
    case 'confirmed':
      if (!run || !gate.overdue) return run ? installRunning(run) : [opened];
      return [answered(gate, { run, outcome: 'quarantined', failure: why }), opened];
    case 'reopening':
      return run ? [answered(gate, { run, outcome: 'succeeded' }), opened] : [opened];
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

/** When something has to be done although nobody says anything. Undefined: never. */
export function gateDueAt(state: GateState, overdueGraceMs: number): number | undefined {
  const dueAt = nextTime(state, overdueGraceMs);
  return dueAt === Infinity ? undefined : dueAt;
}

function nextTime(state: GateState, overdueGraceMs: number): number | undefined {
  const run = holderOf(state);
  const overdueAt = run ? run.deadlineAt + overdueGraceMs : Infinity;
  switch (state.phase) {
    case 'shutting':
      return state.closedAt;
    case 'closing':
      return Math.min(state.notice.deadlineAt ?? Infinity, overdueAt);
    case 'draining':
    case 'confirming':
      // Looked at again and again until zero is proven.
      return state.closedAt;
    case 'drained':
      return run && overdueAt;
    case 'confirmed':
      return state.overdue || !run ? undefined : overdueAt;
    case 'reopening':
      return Math.min(...Object.values(state.firstStarts).flatMap((s) => (s.state === 'waiting' ? [s.giveUpAt] : [])));
    case 'open':
    case 'quarantined':
      return undefined;
    default:
      return assertNever(state);
  }
}

/** Folds one command; convenience for those who want the state only. */
export function gateAfter(state: GateState, command: GateCommand): GateState {
  const events = decide(state, command);
  return isRejected(events) ? state : events.reduce(evolveGate, state);
}
