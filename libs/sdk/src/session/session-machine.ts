import { assertNever, backoffMs, MINUTE_MS, SECOND_MS, type Decider } from '@lastcall/kernel';
import type { Phase, SessionCommand, SessionEvent, SessionState } from './session-state.js';
import type { Incoming, NoticeView, Refusal } from './session-words.js';

/*
 * One user's session as the application's side sees it: which stream is open, what the user has been shown, what happens next.
 * Owns reconnection, the deduplication of notices and every time limit; opens nothing and shows nothing itself. The shell
 * (`attach-session.ts`) carries out the events and hands in what happened.
 *
 *   idle → connecting → attached ⇄ connecting (resume token)      one stream at a time
 *              ↕  ↑         ↓
 *              ↕  waiting   leaving                               waiting: on WaitForReopening
 *              ↕  ↕         ↓
 *              backing-off ←┘                                     from every phase but finished: → finished
 *
 * In every phase but idle and finished there is a time at which something happens by itself (`dueAt`).
 */

/** How long the server may take to answer the hello. */
export const ANSWER_MS = 15 * SECOND_MS;
/** How long one waiting stream is trusted; then a new one is opened, so that one that went dead cannot keep a user out. */
export const WAIT_MS = 10 * MINUTE_MS;
/** Missed heartbeats until the connection is given up. */
const MISSED_HEARTBEATS = 3;
const BACKOFF = { baseMs: 250, maxMs: 15 * SECOND_MS } as const;
/** After a refusal that waiting on the gate does not end: another version, a credential, too many attempts. */
const SLOW_BACKOFF = { baseMs: 2 * SECOND_MS, maxMs: MINUTE_MS } as const;
/** How long an application may take to save its work. */
export const SAVE_MS = 5 * MINUTE_MS;
/** Everybody is logged off at the same moment, and nobody has to wait at once. */
const LEAVE_BACKOFF = { baseMs: 500, maxMs: SECOND_MS } as const;
/** A connection that lasted so long was a good one. */
const STEADY_MS = 10 * SECOND_MS;
const REMEMBERED_NOTICES = 64;

export const sessionMachine: Decider<SessionState, SessionCommand, SessionEvent> & {
  decide(state: SessionState, command: SessionCommand): readonly SessionEvent[];
} = {
  initial: {
    phase: { at: 'idle' },
    resumeToken: '',
    shown: [],
    read: [],
    standing: undefined,
    rights: { exempt: false, longestHoldMs: undefined },
    refusal: undefined,
    shutOut: false,
    news: '',
    holds: [],
    waitingHolds: [],
    ready: false,
  },
  decide,
  evolve,
};

/** When something is due by itself. Undefined: never. */
export function dueAt({ phase }: SessionState): number | undefined {
  switch (phase.at) {
    case 'attached':
      return Math.min(phase.heartbeatAt, phase.silentAt);
    case 'connecting':
    case 'backing-off':
    case 'waiting':
    case 'leaving':
      return phase.until;
    case 'idle':
    case 'finished':
      return undefined;
    default:
      return assertNever(phase);
  }
}

function decide(state: SessionState, command: SessionCommand): readonly SessionEvent[] {
  const { phase } = state;
  switch (command.kind) {
    case 'start':
      return phase.at === 'idle' ? connect(state, command.now, 1) : [];
    case 'hear':
      return hear(state, command);
    case 'lose':
      return lose(state, command);
    case 'let-in':
      return phase.at === 'waiting' ? letIn(state, command) : [];
    case 'lose-wait':
      return phase.at === 'waiting' ? [backOff(command, phase.attempt, 'wait')] : [];
    case 'tick':
      return tick(state, command);
    case 'leave':
      return leave(phase, command);
    case 'acknowledge':
      return acknowledge(state, command.notice);
    case 'be-ready':
      return phase.at === 'finished' ? [] : [{ kind: 'ready-said', now: phase.at === 'attached' }];
    case 'ask-hold':
      return askHold(phase, command);
    case 'say-goodbye':
      return sayGoodbye(phase);
    default:
      return assertNever(command);
  }
}

type Moment = { readonly now: number; readonly random: number };

function connect(state: SessionState, now: number, attempt: number): SessionEvent[] {
  return [{ kind: 'connecting', attempt, until: now + ANSWER_MS, resumeToken: state.resumeToken }];
}

function backOff(
  { now, random }: Moment,
  attempt: number,
  then: 'attach' | 'wait',
  limits: { baseMs: number; maxMs: number } = BACKOFF,
): SessionEvent {
  const until = now + backoffMs(attempt, random, limits.baseMs, limits.maxMs);
  return { kind: 'backed-off', attempt, until, then };
}

function hear(state: SessionState, { now, random, message }: Moment & { message: Incoming }): SessionEvent[] {
  const { phase } = state;
  if (phase.at === 'connecting') {
    if (message.kind === 'welcome') return welcome(state, now, message);
    if (message.kind === 'refused') return refused(state, { now, random }, message.refusal, phase.attempt);
    if (message.kind === 'ended') return ended({ now, random }, message, phase.attempt);
    return []; // Nothing counts before the welcome.
  }
  if (phase.at !== 'attached') return []; // From a stream that was given up.
  const heard: SessionEvent = { kind: 'heard', now };
  switch (message.kind) {
    case 'notice':
      return [heard, ...showNotice(state, message.notice)];
    case 'notice-withdrawn':
      return state.shown.includes(message.notice) ? [heard, message] : [heard];
    case 'ended':
      return ended({ now, random }, message, attemptOf(phase, now));
    case 'hold-answer':
      return [heard, ...hearHold(state, message)];
    case 'refused':
      return refused(state, { now, random }, message.refusal, 1);
    case 'welcome':
    case 'heartbeat-reply':
    case 'sign-of-life':
      return [heard];
    default:
      return assertNever(message);
  }
}

function welcome(state: SessionState, now: number, message: Extract<Incoming, { kind: 'welcome' }>): SessionEvent[] {
  const { session, resumeToken, rights, notice } = message;
  // A server that asks for a heartbeat every millisecond, or never, is not believed.
  const heartbeatMs = Math.min(Math.max(message.heartbeatMs, 50), 5 * MINUTE_MS);
  const news = state.shutOut && notice?.kind === 'back-again' ? notice.text : state.news;
  return [
    { kind: 'attached', session, resumeToken, heartbeatMs, rights, now },
    ...(state.shutOut ? [{ kind: 'reopened', news } as const] : []),
    ...(notice?.deadlineAt === undefined ? withdrawStanding(state) : []),
    ...(notice ? showNotice(state, notice, state.shutOut && notice.kind === 'back-again') : []),
    ...(notice?.deadlineAt !== undefined && state.ready ? [{ kind: 'ready-said', now: true } as const] : []),
  ];
}

/** The notice went away while this client was. */
function withdrawStanding({ standing }: SessionState): SessionEvent[] {
  return standing && standing.deadlineAt !== undefined
    ? [{ kind: 'notice-withdrawn', notice: standing.id, text: '' }]
    : [];
}

function showNotice(state: SessionState, notice: NoticeView, asNews = false): SessionEvent[] {
  const acknowledgement = { kind: 'acknowledgement-due', notice: notice.id } as const;
  // The acknowledgement of a repetition goes out again: the one before may have been lost with its connection.
  if (state.shown.includes(notice.id)) return [{ ...acknowledgement, read: state.read.includes(notice.id) }];
  return [
    { kind: 'notice-shown', notice, asNews },
    { ...acknowledgement, read: false },
  ];
}

function refused(state: SessionState, moment: Moment, refusal: Refusal, attempt: number): SessionEvent[] {
  const told: SessionEvent[] = isSame(state.refusal, refusal) ? [] : [{ kind: 'refused', refusal }];
  switch (refusal.reason) {
    case 'gate-shut':
    case 'host-shut':
      // The logoff came while this client was away: the application has open work to save all the same.
      if (state.resumeToken !== '') return [over(moment, { reason: 'deadline', text: refusal.text, comeBack: true })];
      return [...told, { kind: 'waiting', attempt, until: moment.now + WAIT_MS }];
    case 'wrong-version':
    case 'too-many':
    case 'not-permitted':
    case 'unknown':
      return [...told, backOff(moment, attempt, 'attach', SLOW_BACKOFF)];
    case 'invalid':
      return [...told, { kind: 'finished', reason: 'refused' }];
    default:
      return assertNever(refusal.reason);
  }
}

function isSame(a: Refusal | undefined, b: Refusal): boolean {
  return a?.reason === b.reason && a.text === b.text && a.expectedAt === b.expectedAt;
}

function ended(moment: Moment, message: Extract<Incoming, { kind: 'ended' }>, attempt: number): SessionEvent[] {
  const { reason, comeBack } = message;
  // The user notices nothing of a connection that is only being moved.
  if (comeBack && reason === 'move') return [backOff(moment, 1, 'attach')];
  if (comeBack && reason === 'connection') return [backOff(moment, attempt, 'attach')];
  return [over(moment, message)];
}

type End = Omit<Extract<Incoming, { kind: 'ended' }>, 'kind'>;

function over({ now }: Moment, { reason, text, comeBack, saveWithinMs }: End): SessionEvent {
  return { kind: 'ended', reason, text, comeBack, saveUntil: now + SAVE_MS, saveWithinMs };
}

function lose(state: SessionState, { refusal, ...moment }: Moment & { refusal: Refusal | undefined }): SessionEvent[] {
  const { phase } = state;
  if (phase.at !== 'connecting' && phase.at !== 'attached') return [];
  const attempt = attemptOf(phase, moment.now);
  return refusal ? refused(state, moment, refusal, attempt) : [backOff(moment, attempt, 'attach')];
}

/** A server that takes everybody in and loses them at once must not be run over: those attempts count on. */
function attemptOf(phase: Phase, now: number): number {
  if (phase.at === 'connecting') return phase.attempt;
  return phase.at === 'attached' && now < phase.steadyAt ? phase.attempt : 1;
}

function letIn(state: SessionState, { now, random, news }: Moment & { news: string }): SessionEvent[] {
  const { phase } = state;
  // Everybody is let in at the same moment: the first attempt is spread too. A gate that says open while the door says
  // shut must not be asked in a tight loop, so the attempts count on.
  if (phase.at !== 'waiting') return [];
  return [{ kind: 'news-heard', news }, backOff({ now, random }, phase.attempt, 'attach')];
}

function tick(state: SessionState, { now, random }: Moment): SessionEvent[] {
  const due = dueAt(state);
  if (due === undefined || now < due) return [];
  const { phase } = state;
  switch (phase.at) {
    case 'attached':
      return now >= phase.silentAt ? [backOff({ now, random }, 1, 'attach')] : [{ kind: 'heartbeat-due', now }];
    case 'connecting':
      return [backOff({ now, random }, phase.attempt, 'attach')];
    case 'backing-off':
      return phase.then === 'attach'
        ? connect(state, now, phase.attempt + 1)
        : [{ kind: 'waiting', attempt: phase.attempt + 1, until: now + WAIT_MS }];
    case 'waiting':
      return [{ kind: 'waiting', attempt: phase.attempt, until: now + WAIT_MS }];
    case 'leaving':
      return leave(phase, { now, random });
    case 'idle':
    case 'finished':
      return [];
    default:
      return assertNever(phase);
  }
}

function leave(phase: Phase, moment: Moment): SessionEvent[] {
  return phase.at === 'leaving' ? [backOff(moment, 1, 'wait', LEAVE_BACKOFF)] : [];
}

function acknowledge(state: SessionState, notice: string): SessionEvent[] {
  if (!state.shown.includes(notice) || state.read.includes(notice)) return [];
  const read: SessionEvent = { kind: 'notice-read', notice };
  // Away from the server it is kept, and said when the standing notice comes with the next welcome.
  return state.phase.at === 'attached' ? [read, { kind: 'acknowledgement-due', notice, read: true }] : [read];
}

function askHold(phase: Phase, { reason, durationMs }: { reason: string; durationMs: number }): SessionEvent[] {
  if (phase.at === 'attached') return [{ kind: 'hold-asked', reason, durationMs }];
  return [{ kind: 'hold-unsaid' }];
}

/** Said again to whoever comes back: a decision counts once, and is none on what is asked meanwhile. */
function hearHold(
  { holds, waitingHolds }: SessionState,
  { answer, hold }: Extract<Incoming, { kind: 'hold-answer' }>,
): SessionEvent[] {
  if (hold === '' || !holds.includes(hold)) return [{ kind: 'hold-answered', answer, hold }];
  return waitingHolds.includes(hold) && !answer.awaitsApproval ? [{ kind: 'hold-decided', answer, hold }] : [];
}

function sayGoodbye(phase: Phase): SessionEvent[] {
  if (phase.at === 'finished') return [];
  const finished: SessionEvent = { kind: 'finished', reason: 'goodbye' };
  return phase.at === 'attached' ? [{ kind: 'goodbye-said' }, finished] : [finished];
}

function evolve(state: SessionState, event: SessionEvent): SessionState {
  switch (event.kind) {
    case 'attached':
      return attached(state, event);
    case 'notice-shown':
      return { ...state, standing: standingAfter(state, event.notice), shown: remember(state.shown, event.notice.id) };
    case 'notice-read':
      return { ...state, read: remember(state.read, event.notice) };
    case 'notice-withdrawn':
      return state.standing?.id === event.notice ? { ...state, standing: undefined, ready: false } : state;
    case 'ready-said':
      return { ...state, ready: true };
    case 'refused':
      return { ...state, refusal: event.refusal, shutOut: true };
    case 'news-heard':
      return { ...state, news: event.news };
    case 'reopened':
      return { ...state, shutOut: false, news: '' };
    case 'ended':
      return overState(state, event);
    case 'acknowledgement-due':
    case 'hold-asked':
    case 'hold-unsaid':
    case 'goodbye-said':
      return state;
    case 'hold-answered':
      return holdAnswered(state, event);
    case 'hold-decided':
      return { ...state, waitingHolds: state.waitingHolds.filter((hold) => hold !== event.hold) };
    default:
      return { ...state, phase: evolvePhase(state.phase, event) };
  }
}

function attached(state: SessionState, event: Extract<SessionEvent, { kind: 'attached' }>): SessionState {
  const { session, heartbeatMs, now, resumeToken, rights } = event;
  const [heartbeatAt, silentAt] = [now + heartbeatMs, now + heartbeatMs * MISSED_HEARTBEATS];
  const attempt = state.phase.at === 'connecting' ? state.phase.attempt : 1;
  const phase: Phase = {
    at: 'attached',
    session,
    heartbeatMs,
    heartbeatAt,
    silentAt,
    attempt,
    steadyAt: now + STEADY_MS,
  };
  return { ...state, phase, resumeToken, rights, refusal: undefined };
}

function holdAnswered(
  state: SessionState,
  { hold, answer }: Extract<SessionEvent, { kind: 'hold-answered' }>,
): SessionState {
  if (hold === '') return state;
  const waitingHolds = answer.awaitsApproval ? remember(state.waitingHolds, hold) : state.waitingHolds;
  return { ...state, holds: remember(state.holds, hold), waitingHolds };
}

/** A message without consequence does not take the place of a logoff that stands. */
function standingAfter({ standing }: SessionState, notice: NoticeView): NoticeView {
  return standing?.deadlineAt !== undefined && notice.deadlineAt === undefined ? standing : notice;
}

function overState(state: SessionState, event: Extract<SessionEvent, { kind: 'ended' }>): SessionState {
  const { reason, comeBack, saveUntil } = event;
  const phase: Phase = comeBack ? { at: 'leaving', until: saveUntil } : { at: 'finished', reason };
  return { ...state, phase, resumeToken: '', standing: undefined, ready: false, shutOut: true, news: '' };
}

type PhaseEvent = Extract<
  SessionEvent,
  { kind: 'connecting' | 'heard' | 'heartbeat-due' | 'waiting' | 'backed-off' | 'finished' }
>;

function evolvePhase(phase: Phase, event: PhaseEvent): Phase {
  switch (event.kind) {
    case 'connecting':
      return { at: 'connecting', attempt: event.attempt, until: event.until };
    case 'heard':
      return phase.at === 'attached'
        ? { ...phase, silentAt: event.now + phase.heartbeatMs * MISSED_HEARTBEATS }
        : phase;
    case 'heartbeat-due':
      return phase.at === 'attached' ? { ...phase, heartbeatAt: event.now + phase.heartbeatMs } : phase;
    case 'waiting':
      return { at: 'waiting', attempt: event.attempt, until: event.until };
    case 'backed-off':
      return { at: 'backing-off', attempt: event.attempt, until: event.until, then: event.then };
    case 'finished':
      return { at: 'finished', reason: event.reason };
    default:
      return assertNever(event);
  }
}

function remember(ids: readonly string[], id: string): readonly string[] {
  return [...ids, id].slice(-REMEMBERED_NOTICES);
}
