import { notGranted } from './hold-answers.js';
import { ownWords } from './own-words.js';
import type { AttachedSession } from './session-api.js';
import type { EndReason, HoldAnswer } from './session-words.js';

/** Of an application whose settings do not name a Lastcall: it runs on, and nobody ever logs its user off. */
export class NoSession implements AttachedSession {
  readonly phase = 'finished';
  readonly notice = undefined;
  readonly exempt = false;
  readonly longestHoldMinutes = undefined;
  readonly finished: Promise<EndReason> = Promise.resolve('refused');

  constructor(private readonly language: unknown) {}

  serverNow(): number {
    return Date.now();
  }

  acknowledge(): void {}

  ready(): void {}

  async hold(): Promise<HoldAnswer> {
    return notGranted(ownWords(this.language).noSession);
  }

  async goodbye(): Promise<void> {}
}
