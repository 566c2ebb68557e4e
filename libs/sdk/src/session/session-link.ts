import { msToDuration, sessionV1 } from '@lastcall/contracts';
import { isRejected, run } from '@lastcall/kernel';
import { createClient } from '../client.js';
import { toCallError } from '../call-error.js';
import type { Channel } from '../channel.js';
import { openStream, type ClientStream } from '../stream.js';
import type { AttachedSession, SessionCallbacks, ShownNotice } from './session-api.js';
import { dueAt, sessionMachine, WAIT_MS } from './session-machine.js';
import type { SessionCommand, SessionEvent, SessionState } from './session-state.js';
import { parseAttachResponse, refusalOf, say } from './session-wire.js';
import type { EndReason, HoldAnswer, NoticeView } from './session-words.js';

/*
 * The session machine with real streams, timers and callbacks. Commands are taken one after the other, also those that a
 * callback gives; at most one attach stream and one waiting stream are listened to.
 */

export type Hello = Omit<sessionV1.Hello, 'resumeToken'>;
type AttachStream = ClientStream<sessionV1.AttachRequest, sessionV1.AttachResponse>;

const HOLD_ANSWER_MS = 10_000;
const GOODBYE_MS = 2_000;
/** How long an application may take to save its work before the session goes on without it. */
const LEAVE_MS = 5 * 60_000;

/** Milliseconds since the epoch that never jump: a wrong clock that is set right must not stop the heartbeats. */
const now = (): number => performance.timeOrigin + performance.now();

export class SessionLink implements AttachedSession {
  readonly finished: Promise<EndReason>;
  private readonly finish: (reason: EndReason) => void;
  private state: SessionState = sessionMachine.initial;
  private readonly queue: SessionCommand[] = [];
  private busy = false;
  private stream: AttachStream | undefined;
  private pumped: Promise<void> = Promise.resolve();
  private wait: AbortController | undefined;
  private timer: NodeJS.Timeout | undefined;
  /** Server's clock minus ours. A message can only be late, so the largest difference is the best. */
  private offsetMs: number | undefined;
  private readonly holds: ((answer: HoldAnswer) => void)[] = [];

  constructor(
    private readonly hello: Hello,
    private readonly channel: Channel,
    private readonly callbacks: SessionCallbacks,
    private readonly ownsChannel: boolean,
  ) {
    let finish: (reason: EndReason) => void = () => {};
    this.finished = new Promise((resolve) => (finish = resolve));
    this.finish = finish;
    // Not at once: the caller has not got this object yet, and its callbacks may want it.
    queueMicrotask(() => this.take({ kind: 'start', now: now() }));
  }

  get phase(): SessionState['phase']['at'] {
    return this.state.phase.at;
  }

  get notice(): NoticeView | undefined {
    return this.state.standing;
  }

  serverNow(): number {
    return now() + (this.offsetMs ?? 0);
  }

  acknowledge(notice = this.state.standing?.id): void {
    if (notice !== undefined) this.take({ kind: 'acknowledge', notice });
  }

  ready(): void {
    this.take({ kind: 'be-ready' });
  }

  hold(reason: string, durationMs: number): Promise<HoldAnswer> {
    return new Promise((resolve) => {
      const late = { granted: false, text: 'The server did not answer in time.', expiresAt: undefined };
      const timer = setTimeout(() => resolve(late), HOLD_ANSWER_MS);
      this.holds.push((answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      this.take({ kind: 'ask-hold', reason, durationMs });
    });
  }

  async goodbye(): Promise<void> {
    this.take({ kind: 'say-goodbye' });
    await this.pumped;
  }

  private take(command: SessionCommand): void {
    this.queue.push(command);
    if (this.busy) return;
    this.busy = true;
    try {
      for (let next = this.queue.shift(); next; next = this.queue.shift()) this.step(next);
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
    this.setTimer();
  }

  /** Ends the streams that the new phase has no use for. */
  private closeWhatIsOver(events: readonly SessionEvent[]): void {
    const { at } = this.state.phase;
    if (at !== 'waiting') this.wait?.abort();
    const saysGoodbye = events.some((event) => event.kind === 'goodbye-said');
    if (at === 'connecting' || at === 'attached' || saysGoodbye) return;
    this.dropStream();
    this.answerHolds({ granted: false, text: 'The connection was lost.', expiresAt: undefined });
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
        void this.call(() => this.callbacks.onAttached?.(event.session));
        if (event.reopened) void this.call(() => this.callbacks.onReopened?.());
        return;
      case 'heartbeat-due':
        return this.send({ $case: 'heartbeat', value: {} });
      case 'acknowledgement-due':
        return this.send({ $case: 'acknowledgement', value: { notice: event.notice, read: event.read } });
      case 'ready-said':
        return event.now ? this.send({ $case: 'ready', value: {} }) : undefined;
      case 'hold-asked': {
        const value = { reason: event.reason, duration: msToDuration(event.durationMs) };
        return this.send({ $case: 'hold', value });
      }
      case 'hold-answered':
        return this.holds.shift()?.(event.answer);
      case 'notice-shown':
        return void this.call(() => this.callbacks.onNotice?.(this.show(event.notice)));
      case 'notice-withdrawn':
        return void this.call(() => this.callbacks.onNoticeWithdrawn?.(event.notice, event.text));
      case 'refused': {
        const { text, expectedAt } = event.refusal;
        const expected = expectedAt === undefined ? undefined : new Date(expectedAt);
        return void this.call(() => this.callbacks.onRefused?.(text, expected, event.refusal));
      }
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
      case 'backed-off':
        return; // Only the state and the timer change.
    }
  }

  private send(message: Parameters<typeof say>[0]): void {
    this.stream?.write(say(message));
  }

  private show({ id, text, deadlineAt, version }: NoticeView): ShownNotice {
    const secondsLeft = (): number | undefined =>
      deadlineAt === undefined ? undefined : Math.max(0, Math.ceil((deadlineAt - this.serverNow()) / 1000));
    const deadline = deadlineAt === undefined ? undefined : new Date(deadlineAt);
    return { id, text, deadline, version, secondsLeft, acknowledge: () => this.acknowledge(id) };
  }

  private openAttach(resumeToken: string): void {
    this.dropStream();
    this.offsetMs = undefined;
    try {
      const stream = openStream(sessionV1.SessionServiceService.attach, this.channel);
      this.stream = stream;
      stream.write(say({ $case: 'hello', value: { ...this.hello, resumeToken } }));
      this.pumped = this.pump(stream);
    } catch (error) {
      // Such as a credential file that is just being replaced.
      this.take({ kind: 'lose', ...this.moment(), refusal: refusalOf(toCallError(error)) });
    }
  }

  private async pump(stream: AttachStream): Promise<void> {
    let refusal;
    try {
      for await (const response of stream) {
        if (this.stream !== stream) continue;
        this.keepOffset(response.serverTime);
        this.take({ kind: 'hear', ...this.moment(), message: parseAttachResponse(response) });
      }
    } catch (error) {
      refusal = refusalOf(toCallError(error));
    }
    if (this.stream !== stream) return;
    this.stream = undefined;
    this.take({ kind: 'lose', ...this.moment(), refusal });
  }

  private keepOffset(serverTime: Date | undefined): void {
    if (!serverTime) return;
    this.offsetMs = Math.max(this.offsetMs ?? -Infinity, serverTime.getTime() - now());
  }

  private openWait(): void {
    this.wait?.abort();
    const wait = new AbortController();
    this.wait = wait;
    void this.waitForReopening(wait.signal);
  }

  private async waitForReopening(signal: AbortSignal): Promise<void> {
    const request = { name: `installations/${this.hello.installation}`, host: this.hello.host };
    try {
      const client = createClient(sessionV1.SessionServiceService, this.channel);
      for await (const { open } of client.waitForReopening(request, { signal, timeoutMs: WAIT_MS })) {
        if (open && !signal.aborted) return this.take({ kind: 'let-in', ...this.moment() });
      }
    } catch {
      // Whatever the reason: nobody is told more than that the gate is shut, and the waiting goes on.
    }
    if (!signal.aborted) this.take({ kind: 'lose-wait', ...this.moment() });
  }

  private endSession({ reason, text, comeBack }: { reason: EndReason; text: string; comeBack: boolean }): void {
    const left = this.call(() => this.callbacks.onEnded?.(reason, text, comeBack));
    if (!comeBack) {
      void left.finally(() => this.conclude(reason));
      return;
    }
    const timer = setTimeout(() => this.take({ kind: 'leave', ...this.moment() }), LEAVE_MS);
    void left.finally(() => {
      clearTimeout(timer);
      this.take({ kind: 'leave', ...this.moment() });
    });
  }

  private sayGoodbye(): void {
    const stream = this.stream;
    this.stream = undefined;
    stream?.write(say({ $case: 'goodbye', value: {} }));
    stream?.end();
    const timer = setTimeout(() => stream?.cancel(), GOODBYE_MS);
    void this.pumped.finally(() => clearTimeout(timer));
  }

  private conclude(reason: EndReason): void {
    this.finish(reason);
    if (this.ownsChannel) void this.pumped.finally(() => this.channel.close());
  }

  private answerHolds(answer: HoldAnswer): void {
    for (const resolve of this.holds.splice(0)) resolve(answer);
  }

  /** A mistake in the application's code is its own to see, and must not end the session. */
  private async call(callback: () => void | Promise<void>): Promise<void> {
    try {
      await callback();
    } catch (error) {
      if (this.callbacks.onError) this.callbacks.onError(error);
      else warn(error);
    }
  }

  private moment(): { now: number; random: number } {
    return { now: now(), random: this.channel.random() };
  }

  private setTimer(): void {
    clearTimeout(this.timer);
    const due = dueAt(this.state);
    if (due === undefined) return;
    this.timer = setTimeout(() => this.take({ kind: 'tick', ...this.moment() }), Math.max(0, Math.ceil(due - now())));
  }
}

function warn(error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.emitWarning(`a callback of attachSession failed: ${text}`, 'LastcallWarning');
}
