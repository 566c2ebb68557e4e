import { msToDuration, sessionV1 } from '@lastcall/contracts';
import type { Phrase } from './domain/phrases.js';

/* Why a session ends, and whether its client is to come back. */

type Said = NonNullable<sessionV1.AttachResponse['message']>;

export interface Farewell {
  readonly reason: sessionV1.EndReason;
  readonly words: Phrase;
  readonly comeBack: boolean;
}

const { EndReason } = sessionV1;

export const FAREWELLS = {
  deadline: { reason: EndReason.DEADLINE, words: { phrase: 'logged-off' }, comeBack: true },
  install: { reason: EndReason.INSTALL, words: { phrase: 'install-begins' }, comeBack: true },
  ready: { reason: EndReason.READY, words: { phrase: 'ready' }, comeBack: true },
  silent: { reason: EndReason.CONNECTION, words: { phrase: 'silent' }, comeBack: true },
  slow: { reason: EndReason.CONNECTION, words: { phrase: 'slow' }, comeBack: true },
  noisy: { reason: EndReason.CONNECTION, words: { phrase: 'noisy' }, comeBack: true },
  move: { reason: EndReason.MOVE, words: { phrase: 'moving' }, comeBack: true },
  revoked: { reason: EndReason.REVOKED, words: { phrase: 'revoked' }, comeBack: false },
  replaced: { reason: EndReason.REPLACED, words: { phrase: 'came-back' }, comeBack: false },
} as const satisfies Record<string, Farewell>;

/** Whether its user has open work at this end: where the server decides when it comes, and the user may come back. */
export function endsInPeace({ reason }: Farewell): boolean {
  return reason === EndReason.DEADLINE || reason === EndReason.INSTALL || reason === EndReason.READY;
}

/** `text`: its words. `saveWithinMs`: how long the client is waited for; absent: it is not. */
export function ended({ reason, comeBack }: Farewell, text: string, saveWithinMs?: number): Said {
  const saveWithin = saveWithinMs === undefined ? undefined : msToDuration(saveWithinMs);
  return { $case: 'ended', value: { reason, text, comeBack, saveWithin } };
}

/** What it sent cannot be taken in. */
export function wrongMessage(why: string): Farewell {
  return { reason: EndReason.CONNECTION, words: { phrase: 'not-understood', why }, comeBack: true };
}
