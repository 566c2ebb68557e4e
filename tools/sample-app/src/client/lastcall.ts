import { attachSession, type AttachedSession } from '@lastcall/sdk';
import { VERSION } from '../release.js';
import type { Screen } from './screen.js';

export interface Client {
  readonly user: string;
  /** Started once on a terminal server after an update: the program runs until the proof is given. */
  readonly firstStart: boolean;
  /** Saves open work and ends the program, which is started again on what is current then. */
  readonly leave: () => Promise<void>;
}

/** All that Encore's client has to do with Lastcall. */
export function attach({ user, firstStart, leave }: Client, screen: Screen): AttachedSession {
  const session = attachSession({
    user,
    version: VERSION,
    clientKind: 'terminal',
    language: Intl.DateTimeFormat().resolvedOptions().locale,
    keepAlive: firstStart,
    env: { LASTCALL_TOKEN_FILE: process.env['ENCORE_TOKEN_FILE'], ...process.env },
    onAttached: () => screen.loggedIn(session.exempt),
    onNotice: (notice) => screen.notice(notice),
    onNoticeWithdrawn: (_, text) => screen.withdrawn(text),
    onCountdown: (seconds) => screen.countdown(seconds),
    onRefused: (text, _, refusal) => screen.refused(text, refusal),
    onReopened: (whatsNew) => screen.say(`back again. ${whatsNew}`.trimEnd()),
    onLogoff: (reason, text, comeBack) => (screen.loggedOff(reason, text), comeBack ? leave() : undefined),
    onHoldDecided: (answer) => screen.hold(answer),
    onError: (problem) => screen.say(`no connection to Lastcall as it should be: ${problem.message}`),
  });
  return session;
}
