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

type Sent = Pick<Standing, 'message' | 'messages'>;

/** In the order in which they were sent. */
export function messagesOf({ message, messages = [] }: Sent): readonly Notice[] {
  // An older replica writes the newest alone.
  return message && messages.at(-1)?.id !== message.id ? [...messages, message] : messages;
}

export function withMessage(sent: Sent, notice: Notice): Sent {
  const since = notice.sentAt - STANDS_MS;
  const others = messagesOf(sent).filter(({ sentAt }) => sentAt > since);
  return { message: notice, messages: [...others, notice].slice(-KEPT) };
}

/** Those after the one that was told last, for a session that was there when they were sent. */
export function untold(messages: readonly Notice[], toldLast: string, createdAt: number): readonly Notice[] {
  const from = messages.findIndex(({ id }) => id === toldLast) + 1;
  return messages.slice(from).filter(({ sentAt }) => sentAt >= createdAt);
}
