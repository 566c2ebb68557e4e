import type { EndReason, Refusal, ShownNotice } from '@lastcall/sdk';
import { VERSION } from '../release.js';

/** Ended because this program is to be replaced: whoever started it starts it again, on the new version. */
export const EXIT_START_AGAIN = 75;

/*
 * What the user sees. Lines on a pipe, a countdown in place on a terminal.
 */
export class Screen {
  private countdown: NodeJS.Timeout | undefined;

  constructor(private readonly user: string) {}

  say(line: string): void {
    this.stopCountdown();
    console.log(`[Encore ${VERSION}] ${this.user}: ${line}`);
  }

  notice(notice: ShownNotice): void {
    const seconds = notice.secondsLeft();
    this.say(
      seconds === undefined ? `message: ${notice.text}` : `message: ${notice.text} (logged off in ${seconds} s)`,
    );
    if (seconds === undefined || !process.stdout.isTTY) return;
    this.countdown = setInterval(() => process.stdout.write(`\r  ${notice.secondsLeft()} s … type ok `), 1_000);
  }

  refused(text: string, refusal: Refusal): void {
    this.say(`not let in (${refusal.reason}): ${text}`);
    if (refusal.reason === 'wrong-version') process.exit(EXIT_START_AGAIN);
  }

  loggedOff(reason: EndReason, text: string): void {
    this.say(`logged off (${reason}): ${text}`);
  }

  private stopCountdown(): void {
    clearInterval(this.countdown);
    this.countdown = undefined;
  }
}
