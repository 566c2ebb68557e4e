import { standingNotice, type GateState, type Notice } from './gate-state.js';
import { messagesAfter, STANDS_MS } from './messages.js';

/*
 * What a session is told when it comes in. Beside the logoff that stands there are two slots, the newest word about a planned run and a
 * person's last messages; each is told once a session.
 */

/** The word about a planned run, or one that is over, while it is worth telling. */
export function standingAnnouncement({ announcement }: GateState, now: number): Notice | undefined {
  if (!announcement) return undefined;
  const { kind, startAt, sentAt } = announcement;
  const isAhead = (kind === 'announcement' || kind === 'moved') && startAt !== undefined;
  return now < (isAhead ? startAt : sentAt + STANDS_MS) ? announcement : undefined;
}

/** What is in the welcome, and the ids of what needs not be told any more. */
export interface Opening {
  readonly notice: Notice | undefined;
  readonly told: string;
  readonly announcement: string;
  /** The messages after this one are still to be told. */
  readonly message: string;
}

/** When a session was let in for the first time: what was sent since then, it may have missed. */
export interface LetIn {
  /** Id of the newest message at that time, empty for none; undefined in documents of releases that did not note it. */
  readonly messagesUpTo?: string;
  readonly createdAt: number;
}

export function openingFor(gate: GateState, { messagesUpTo, createdAt }: LetIn, now: number): Opening {
  const standing = standingNotice(gate);
  const { messages = [] } = gate;
  const later = messagesUpTo === undefined ? undefined : new Set(messagesAfter(messages, messagesUpTo));
  const isLater = (message: Notice): boolean => later?.has(message) ?? message.sentAt >= createdAt;
  const isMissed = (message: Notice): boolean => isLater(message) && now < message.sentAt + STANDS_MS;
  const missed = messages.findIndex(isMissed);
  const notice = standing ?? standingAnnouncement(gate, now) ?? messages[missed];
  // The welcome has room for one; the others come after it.
  const toldUpTo = missed < 0 ? messages.length : notice === messages[missed] ? missed + 1 : missed;
  return {
    notice,
    told: standing?.id ?? '',
    announcement: gate.announcement?.id ?? '',
    message: messages[toldUpTo - 1]?.id ?? '',
  };
}
