import { HOUR_MS } from '@lastcall/kernel';
import type { Notice, Standing } from './gate-state.js';

/*
 * A person's messages. A gate has the last ones, not only the newest: another one may be sent before every replica has looked, and each
 * user is told each of them once.
 */

/** A word about what is over is told to those who come within the hour, not to those who come the next day. */
export const STANDS_MS = HOUR_MS;
/** A replica that has not looked while more than these were sent tells the newest of them. */
const KEPT = 20;

/** Those that stand, and this one. */
export function withMessage({ messages = [] }: Pick<Standing, 'messages'>, notice: Notice): readonly Notice[] {
  const since = notice.sentAt - STANDS_MS;
  return [...messages.filter(({ sentAt }) => sentAt > since), notice].slice(-KEPT);
}

/**
 * Those after this one; all of them when it is not there any more, or when there was none. Which came first is said by their order and never by
 * times: a session and a message that is sent a moment later may have them from clocks that differ.
 */
export function messagesAfter(messages: readonly Notice[], last: string): readonly Notice[] {
  return messages.slice(messages.findIndex(({ id }) => id === last) + 1);
}
