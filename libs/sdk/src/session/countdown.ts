import type { NoticeView } from './session-words.js';

/*
 * The seconds that are left until a logoff: told once at the beginning, then each full minute, and each second of the last minute. The
 * marks are moments of the server's clock, so all users are told the same number at the same moment. A number is never told twice, and
 * never a higher one than before for the same deadline.
 */

/** Node's timers cannot wait for longer than about 24 days. */
const LONGEST_WAIT_MS = 2 ** 30;

/** The number that is shown while so much is left. */
export function secondsOf(msLeft: number): number {
  return Math.max(0, Math.ceil(msLeft / 1000));
}

/** The number that is told after this one; undefined after 0. */
export function nextMark(seconds: number): number | undefined {
  if (seconds <= 0) return undefined;
  return seconds <= 60 ? seconds - 1 : (Math.ceil(seconds / 60) - 1) * 60;
}

export interface CountdownParts {
  serverNow(): number;
  tell(secondsLeft: number, notice: NoticeView): void;
  /** Calls back once after this time; answers how to call that off. */
  after(ms: number, run: () => void): () => void;
}

/** The countdown of the notice that stands. */
export class Countdown {
  private notice: NoticeView | undefined;
  private told: number | undefined;
  private callOff: () => void = () => {};

  constructor(private readonly parts: CountdownParts) {}

  /** Counts for this notice from now on; undefined, or one without a deadline: for none. */
  follow(notice: NoticeView | undefined): void {
    if (notice?.id === this.notice?.id && notice?.deadlineAt === this.notice?.deadlineAt) return;
    this.callOff();
    this.notice = notice;
    this.told = undefined;
    this.look();
  }

  /** To be called also when the server's clock is known better. */
  look(): void {
    this.callOff();
    const { notice } = this;
    if (notice?.deadlineAt === undefined) return;
    const seconds = secondsOf(notice.deadlineAt - this.parts.serverNow());
    const due = this.told === undefined || seconds <= (nextMark(this.told) ?? -1);
    if (due) this.told = seconds;
    const next = nextMark(this.told ?? seconds);
    if (next !== undefined) this.wait(notice.deadlineAt - next * 1000);
    // Last, because what is told may change the notice.
    if (due) this.parts.tell(seconds, notice);
  }

  private wait(until: number): void {
    const ms = Math.min(Math.max(1, Math.ceil(until - this.parts.serverNow())), LONGEST_WAIT_MS);
    this.callOff = this.parts.after(ms, () => this.look());
  }
}
