import type { EndReason, HoldAnswer, Refusal, ShownNotice } from '@lastcall/sdk';
import { VERSION } from '../release.js';

/** Ended because this program is to be replaced: whoever started it starts it again, on the new version. */
export const EXIT_START_AGAIN = 75;

/** Without a terminal the countdown is lines, and fewer of them. */
const COUNTDOWN_LINES_S = 10;

/*
 * What the user sees. Lines on a pipe, a countdown in place on a terminal.
 */
export class Screen {
  constructor(private readonly user: string) {}

  say(line: string): void {
    console.log(`[Encore ${VERSION}] ${this.user}: ${line}`);
  }

  loggedIn(exempt: boolean): void {
    this.say('logged in');
    if (exempt) this.say('may stay during an update, until the install starts');
  }

  notice({ kind, text, link }: ShownNotice): void {
    this.say(`${kind === 'logoff' || kind === 'deadline-moved' ? 'message' : kind}: ${text} ${link}`.trimEnd());
  }

  withdrawn(text: string): void {
    this.say(`the message is withdrawn. ${text}`.trimEnd());
  }

  countdown(seconds: number): void {
    if (process.stdout.isTTY) process.stdout.write(`\r  ${seconds} s … type ok, ready, or hold MINUTES WHY `);
    else if (seconds % COUNTDOWN_LINES_S === 0) this.say(`${seconds} s left`);
  }

  hold({ granted, awaitsApproval, text }: HoldAnswer): void {
    const answer = awaitsApproval ? 'a second person is asked' : granted ? 'they wait for you' : 'they do not wait';
    this.say(`${answer}. ${text}`.trimEnd());
  }

  refused(text: string, refusal: Refusal): void {
    this.say(`not let in (${refusal.reason}): ${text}`);
    if (refusal.reason === 'wrong-version') process.exit(EXIT_START_AGAIN);
  }

  loggedOff(reason: EndReason, text: string): void {
    this.say(`logged off (${reason}): ${text}`);
  }
}
