import { msToDuration, sessionV1 } from '@lastcall/contracts';
import { isRejected, MINUTE_MS, run } from '@lastcall/kernel';
import { createClient } from '../client.js';
import { toCallError } from '../call-error.js';
import type { Channel } from '../channel.js';
import { openStream, type ClientStream } from '../stream.js';
import { Application } from './application.js';
import { atExit } from './at-exit.js';
import { Attempts } from './attempts.js';
import { ConnectionTrouble } from './connection-trouble.js';
import { Countdown } from './countdown.js';
import { notGranted, whatIsWrongWithHold } from './hold-answers.js';
import { clockError, clockOffset, learnTime, type ServerClock } from './server-clock.js';
import { ownWords, type OwnWords } from './own-words.js';
import type { AttachedSession, SessionCallbacks } from './session-api.js';
import { dueAt, SAVE_MS, sessionMachine, WAIT_MS } from './session-machine.js';
import type { ReportProblem } from './session-problem.js';
import type { SessionCommand, SessionEvent, SessionState } from './session-state.js';
import { newsIn, parseAttachResponse, say } from './session-wire.js';
import type { EndReason, HoldAnswer, NoticeView } from './session-words.js';

/*
 * The session machine with real streams, timers and callbacks. Commands are taken one after the other, also those that a
 * callback gives; at most one attach stream and one waiting stream are listened to. Nothing here throws into the application, and
 * nothing keeps its program running, except what it waits for itself: the answer to a hold, a goodbye.
 */

export type Hello = Omit<sessionV1.Hello, 'resumeToken' | 'attempt'>;
type AttachStream = ClientStream<sessionV1.AttachRequest, sessionV1.AttachResponse>;

export interface SessionLinkParts {
  readonly hello: Hello;
  readonly channel: Channel;
  /** The channel is closed with the session. */
  readonly ownsChannel: boolean;
  readonly keepAlive: boolean;
  readonly callbacks: SessionCallbacks;
  readonly report: ReportProblem;
}

const HOLD_ANSWER_MS = 10_000;
/** How long the server may take to end its side. */
const GOODBYE_MS = 2_000;
/** What the server's clock has to be known to for a countdown. */
const CLOCK_ERROR_MS = 100;

/** Milliseconds since the epoch that never jump: a wrong clock that is set right must not stop the heartbeats. */
const now = (): number => performance.timeOrigin + performance.now();

export class SessionLink implements AttachedSession {
  readonly finished: Promise<EndReason>;
  private readonly finish: (reason: EndReason) => void;
  private readonly application: Application;
  private readonly countdown: Countdown;
  private readonly stayAtExit: () => void;
  private state: SessionState = sessionMachine.initial;
  private readonly queue: SessionCommand[] = [];
  private busy = false;
  private stream: AttachStream | undefined;
  private readonly attempts = new Attempts();
  private pumped: Promise<void> = Promise.resolve();
  /** On which the server waits for the application, which saves. */
  private saving: AttachStream | undefined;
  private wait: AbortController | undefined;
  private timer: NodeJS.Timeout | undefined;
  private clock: ServerClock | undefined;
  /** When the heartbeats were said that have no answer yet. */
  private beats: number[] = [];
  private readonly holds: ((answer: HoldAnswer) => void)[] = [];
  private readonly trouble: ConnectionTrouble;
  private readonly words: OwnWords;

  constructor(private readonly parts: SessionLinkParts) {
    const { callbacks, report, keepAlive } = parts;
    this.words = ownWords(parts.hello.language);
    let finish: (reason: EndReason) => void = () => {};
    this.finished = new Promise((resolve) => (finish = resolve));
    this.finish = finish;
    this.application = new Application({
      callbacks,
      report,
      serverNow: () => this.serverNow(),
      acknowledge: (notice) => this.acknowledge(notice),
    });
    this.trouble = new ConnectionTrouble(report);
    this.countdown = new Countdown({
      serverNow: () => this.serverNow(),
      tell: (seconds, notice) => this.application.countedDown(seconds, notice),
      after: (ms, act) => {
        const timer = this.after(ms, act);
        return () => clearTimeout(timer);
      },
    });
    this.stayAtExit = keepAlive ? () => {} : atExit(() => this.take({ kind: 'say-goodbye' }));
    // Not at once: the caller has not got this object yet, and its callbacks may want it.
    queueMicrotask(() => this.take({ kind: 'start', now: now() }));
  }

  get phase(): SessionState['phase']['at'] {
    return this.state.phase.at;
  }

  get notice(): NoticeView | undefined {
    return this.state.standing;
  }

  get exempt(): boolean {
    return this.state.rights.exempt;
  }

  get longestHoldMinutes(): number | undefined {
    const { longestHoldMs } = this.state.rights;
    return longestHoldMs === undefined ? undefined : Math.floor(longestHoldMs / MINUTE_MS);
  }

  serverNow(): number {
    return now() + clockOffset(this.clock);
  }

  acknowledge(notice = this.state.standing?.id): void {
    if (notice !== undefined) this.take({ kind: 'acknowledge', notice });
  }

  ready(): void {
    this.take({ kind: 'be-ready' });
  }

  hold(reason: string, minutes: number): Promise<HoldAnswer> {
    const wrong = whatIsWrongWithHold(reason, minutes);
    if (wrong !== undefined) {
      this.parts.report('LASTCALL_HOLD', wrong);
      return Promise.resolve(notGranted(this.words.wrongHold));
    }
    return new Promise((resolve) => {
      const answered = (answer: HoldAnswer): void => {
        clearTimeout(timer);
        resolve(answer);
      };
      // The application waits for it, so this timer may hold the program.
      const timer = setTimeout(() => {
        this.holds.splice(this.holds.indexOf(answered), 1);
        resolve(notGranted(this.words.noAnswer));
      }, HOLD_ANSWER_MS);
      this.holds.push(answered);
      this.take({ kind: 'ask-hold', reason, durationMs: Math.round(minutes * MINUTE_MS) });
    });
  }

  async goodbye(): Promise<void> {
    const held = setTimeout(() => {}, GOODBYE_MS);
    this.take({ kind: 'say-goodbye' });
    // What is being saved may be what calls this.
    if (!this.saving) await this.pumped;
    clearTimeout(held);
  }

  private take(command: SessionCommand): void {
    this.queue.push(command);
    if (this.busy) return;
    this.busy = true;
    try {
      for (let next = this.queue.shift(); next; next = this.queue.shift()) this.step(next);
    } catch (error) {
      this.parts.report('LASTCALL_DEFECT', 'a mistake in the SDK', error);
    } finally {
      this.busy = false;
    }
  }

  private step(command: SessionCommand): void {
    const decision = run(sessionMachine, this.state, command);
    if (isRejected(decision)) return;
    this.state = decision.state;
    this.closeWhatIsOver(decision.events);
    for (const event of decision.events) this.carryOut(event);
    if (this.parts.callbacks.onCountdown) this.countdown.follow(this.state.standing);
    this.setTimer();
  }

  /** Ends the streams that the new phase has no use for. */
  private closeWhatIsOver(events: readonly SessionEvent[]): void {
    const { at } = this.state.phase;
    if (at !== 'waiting') this.wait?.abort();
    const saysGoodbye = events.some((event) => event.kind === 'goodbye-said');
    if (at === 'connecting' || at === 'attached' || saysGoodbye) return;
    const isWaitedFor = events.some((event) => event.kind === 'ended' && event.saveWithinMs !== undefined);
    if (isWaitedFor) this.keepStream();
    else this.dropStream();
    this.answerHolds(notGranted(this.words.connectionLost));
  }

  private keepStream(): void {
    this.saving = this.stream;
    this.stream = undefined;
  }

  private dropStream(): void {
    this.stream?.cancel();
    this.stream = undefined;
  }

  private carryOut(event: SessionEvent): void {
    switch (event.kind) {
      case 'connecting':
        return this.openAttach(event.resumeToken);
      case 'attached':
        this.trouble.isOver();
        return this.application.attached(event.session);
      case 'reopened':
        return this.application.reopened(event.news);
      case 'heartbeat-due':
        return this.beat();
      case 'acknowledgement-due':
        return this.send({ $case: 'acknowledgement', value: { notice: event.notice, read: event.read } });
      case 'ready-said':
        return event.now ? this.send({ $case: 'ready', value: {} }) : undefined;
      case 'hold-asked': {
        const value = { reason: event.reason, duration: msToDuration(event.durationMs) };
        return this.send({ $case: 'hold', value });
      }
      case 'hold-unsaid':
        return this.answerHold(notGranted(this.words.noConnection));
      case 'hold-answered':
        return this.answerHold(event.answer);
      case 'hold-decided':
        return this.application.holdDecided(event.answer);
      case 'notice-shown':
        return this.showNotice(event.notice, event.asNews);
      case 'notice-withdrawn':
        return this.application.withdrawn(event.notice, event.text);
      case 'refused':
        return this.application.refused(event.refusal);
      case 'waiting':
        return this.openWait();
      case 'ended':
        return this.endSession(event);
      case 'goodbye-said':
        return this.sayGoodbye();
      case 'finished':
        return this.conclude(event.reason);
      case 'heard':
      case 'notice-read':
      case 'news-heard':
      case 'backed-off':
        return; // Only the state and the timer change.
    }
  }

  private send(message: Parameters<typeof say>[0]): void {
    this.stream?.write(say(message));
  }

  /** Its answer comes at once, so it also tells how late the server's messages are. */
  private beat(): void {
    this.beats.push(now());
    this.send({ $case: 'heartbeat', value: {} });
  }

  private showNotice(notice: NoticeView, asNews: boolean): void {
    this.application.shown(notice, asNews);
    if (notice.deadlineAt !== undefined && clockError(this.clock) > CLOCK_ERROR_MS) this.beat();
  }

  private openAttach(resumeToken: string): void {
    this.dropStream();
    this.beats = [];
    try {
      const stream = openStream(sessionV1.SessionServiceService.attach, this.parts.channel);
      this.stream = stream;
      stream.write(
        say({ $case: 'hello', value: { ...this.parts.hello, resumeToken, attempt: this.attempts.next(now()) } }),
      );
      this.pumped = this.pump(stream);
    } catch (error) {
      this.take({ kind: 'lose', ...this.moment(), refusal: this.trouble.with(toCallError(error)) });
    }
  }

  private async pump(stream: AttachStream): Promise<void> {
    let refusal;
    try {
      for await (const response of stream) {
        if (this.stream === stream) this.hear(response);
      }
    } catch (error) {
      if (this.stream === stream) refusal = this.trouble.with(toCallError(error));
    }
    if (this.stream !== stream) return;
    this.stream = undefined;
    this.take({ kind: 'lose', ...this.moment(), refusal });
  }

  private hear(response: sessionV1.AttachResponse): void {
    const message = parseAttachResponse(response);
    this.learnTime(response.serverTime, message.kind === 'heartbeat-reply' ? this.beats.shift() : undefined);
    this.take({ kind: 'hear', ...this.moment(), message });
  }

  private learnTime(serverTime: Date | undefined, askedAt?: number): void {
    if (!serverTime) return;
    this.clock = learnTime(this.clock, { serverTime: serverTime.getTime(), receivedAt: now(), askedAt });
    this.countdown.look();
  }

  private openWait(): void {
    this.wait?.abort();
    const wait = new AbortController();
    this.wait = wait;
    void this.waitForReopening(wait.signal);
  }

  private async waitForReopening(signal: AbortSignal): Promise<void> {
    const { hello, channel } = this.parts;
    const request = { name: `installations/${hello.installation}`, host: hello.host, language: hello.language };
    try {
      const client = createClient(sessionV1.SessionServiceService, channel);
      for await (const { open, gate, serverTime } of client.waitForReopening(request, { signal, timeoutMs: WAIT_MS })) {
        this.learnTime(serverTime);
        if (open && !signal.aborted) return this.take({ kind: 'let-in', ...this.moment(), news: newsIn(gate) });
      }
    } catch {
      // Whatever the reason: nobody is told more than that the gate is shut, and the waiting goes on.
    }
    if (!signal.aborted) this.take({ kind: 'lose-wait', ...this.moment() });
  }

  /** Saving takes its time, but not for ever: the machine goes on by itself, and so does what waits for the end. */
  private endSession({ reason, text, comeBack, saveWithinMs }: Extract<SessionEvent, { kind: 'ended' }>): void {
    const saved = this.application.loggedOff(reason, text, comeBack);
    if (saveWithinMs !== undefined) this.endWhenSaved(saved, saveWithinMs);
    if (comeBack) return void saved.finally(() => this.take({ kind: 'leave', ...this.moment() }));
    const timer = this.after(SAVE_MS, () => this.conclude(reason));
    void saved.finally(() => {
      clearTimeout(timer);
      this.conclude(reason);
    });
  }

  /** The server waits with the backup until this side of the stream has ended. */
  private endWhenSaved(saved: Promise<void>, withinMs: number): void {
    const { saving, pumped } = this;
    const end = (): void => {
      clearTimeout(timer);
      if (this.saving === saving) this.saving = undefined;
      this.endSide(saving, pumped);
    };
    const timer = this.after(withinMs, end);
    void saved.then(end);
  }

  private sayGoodbye(): void {
    const { stream, pumped } = this;
    this.stream = undefined;
    stream?.write(say({ $case: 'goodbye', value: {} }));
    this.endSide(stream, pumped);
  }

  /** The server ends the other one. */
  private endSide(stream: AttachStream | undefined, pumped: Promise<void>): void {
    stream?.end();
    const timer = this.after(GOODBYE_MS, () => stream?.cancel());
    void pumped.finally(() => clearTimeout(timer));
  }

  private conclude(reason: EndReason): void {
    this.stayAtExit();
    this.finish(reason);
    if (this.parts.ownsChannel) void this.pumped.finally(() => this.parts.channel.close());
  }

  /** The oldest question is meant; when there is none, a server that names no holds has said what a second person decided. */
  private answerHold(answer: HoldAnswer): void {
    const answered = this.holds.shift();
    if (answered) answered(answer);
    else this.application.holdDecided(answer);
  }

  private answerHolds(answer: HoldAnswer): void {
    for (const answered of this.holds.splice(0)) answered(answer);
  }

  private moment(): { now: number; random: number } {
    return { now: now(), random: this.parts.channel.random() };
  }

  private setTimer(): void {
    clearTimeout(this.timer);
    const due = dueAt(this.state);
    if (due === undefined) return;
    this.timer = this.after(Math.max(0, Math.ceil(due - now())), () => this.take({ kind: 'tick', ...this.moment() }));
  }

  private after(ms: number, act: () => void): NodeJS.Timeout {
    const timer = setTimeout(act, ms);
    return this.parts.keepAlive ? timer : timer.unref();
  }
}
