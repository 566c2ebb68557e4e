import type { SessionCallbacks, ShownNotice } from './session-api.js';
import type { ReportProblem } from './session-problem.js';
import type { EndReason, HoldAnswer, NoticeView, Refusal } from './session-words.js';
import { secondsOf } from './countdown.js';

/*
 * The application behind a session: its callbacks, none of which can hurt the session, and what it is shown.
 */

export interface ApplicationParts {
  readonly callbacks: SessionCallbacks;
  readonly report: ReportProblem;
  serverNow(): number;
  acknowledge(notice: string): void;
}

export class Application {
  constructor(private readonly parts: ApplicationParts) {}

  attached(session: string): void {
    void this.call('onAttached', (tell) => tell.onAttached?.(session));
  }

  reopened(news: string): void {
    void this.call('onReopened', (tell) => tell.onReopened?.(news));
  }

  /** One that was told as news is not shown again, unless nobody listened to the news. */
  shown(notice: NoticeView, asNews: boolean): void {
    if (asNews && this.parts.callbacks.onReopened) return;
    void this.call('onNotice', (tell) => tell.onNotice?.(this.show(notice)));
  }

  withdrawn(notice: string, text: string): void {
    void this.call('onNoticeWithdrawn', (tell) => tell.onNoticeWithdrawn?.(notice, text));
  }

  countedDown(seconds: number, notice: NoticeView): void {
    void this.call('onCountdown', (tell) => tell.onCountdown?.(seconds, this.show(notice)));
  }

  refused(refusal: Refusal): void {
    const { text, expectedAt } = refusal;
    void this.call('onRefused', (tell) => tell.onRefused?.(text, dateOf(expectedAt), refusal));
  }

  holdDecided(answer: HoldAnswer): void {
    void this.call('onHoldDecided', (tell) => tell.onHoldDecided?.(answer));
  }

  /** Resolves when it has saved its work. */
  loggedOff(reason: EndReason, text: string, comeBack: boolean): Promise<void> {
    return this.call('onLogoff', (tell) => tell.onLogoff?.(reason, text, comeBack));
  }

  private show(notice: NoticeView): ShownNotice {
    const { id, kind, text, link, version, deadlineAt, startAt } = notice;
    const { parts } = this;
    return {
      id,
      kind,
      text,
      link,
      version,
      deadline: dateOf(deadlineAt),
      startTime: dateOf(startAt),
      secondsLeft: () => (deadlineAt === undefined ? undefined : secondsOf(deadlineAt - parts.serverNow())),
      acknowledge: () => parts.acknowledge(id),
    };
  }

  /** A mistake in the application's code is its own to see, and must not end the session. */
  private async call(
    name: string,
    callback: (callbacks: SessionCallbacks) => void | Promise<void> | undefined,
  ): Promise<void> {
    try {
      await callback(this.parts.callbacks);
    } catch (error) {
      this.parts.report('LASTCALL_CALLBACK', `${name} failed`, error);
    }
  }
}

function dateOf(ms: number | undefined): Date | undefined {
  return ms === undefined ? undefined : new Date(ms);
}
