import { attachSession, type AttachedSession } from '@lastcall/sdk';
import { VERSION } from '../release.js';
import type { Screen } from './screen.js';

/** All that Encore's client has to do with Lastcall. */
export function attach(user: string, screen: Screen, leave: () => Promise<void>): AttachedSession {
  return attachSession({
    user,
    version: VERSION,
    clientKind: 'terminal',
    env: { LASTCALL_TOKEN_FILE: process.env['ENCORE_TOKEN_FILE'], ...process.env },
    onAttached: () => screen.say('logged in'),
    onNotice: (notice) => screen.notice(notice),
    onNoticeWithdrawn: (_, text) => screen.say(`the message is withdrawn. ${text}`),
    onRefused: (text, _, refusal) => screen.refused(text, refusal),
    onLogoff: (reason, text, comeBack) => (screen.loggedOff(reason, text), comeBack ? leave() : undefined),
  });
}
