import { HOUR_MS } from '@lastcall/kernel';
import { standingNotice, type GateState, type Notice } from './gate-state.js';

/*
 * What a session is told when it comes in. Beside the logoff that stands there are two slots, the newest word about a planned run and a
 * person's last message; each is told once a session.
 */

/** A word about what is over is told to those who come within the hour, not to those who come the next day. */
const STANDS_MS = HOUR_MS;

/** The word about a planned run, or one that is over, while it is worth telling. */
export function standingAnnouncement({ announcement }: GateState, now: number): Notice | undefined {
  if (!announcement) return undefined;
  const { kind, startAt, sentAt } = announcement;
  const isAhead = (kind === 'announcement' || kind === 'moved') && startAt !== undefined;
  return now < (isAhead ? startAt : sentAt + STANDS_MS) ? announcement : undefined;
}

export interface Arrival {
  /** When the session was let in for the first time. */
  readonly createdAt: number;
  readonly cameBack: boolean;
}

/** What is in the welcome, and the ids of what needs not be told any more. */
export interface Opening {
  readonly notice: Notice | undefined;
  readonly told: string;
  readonly announcement: string;
  readonly message: string;
}

export function openingFor(gate: GateState, arrival: Arrival, now: number): Opening {
  const standing = standingNotice(gate);
  const missed = missedMessage(gate, arrival, now);
  const notice = standing ?? standingAnnouncement(gate, now) ?? missed;
  return {
    notice,
    told: standing?.id ?? '',
    announcement: gate.announcement?.id ?? '',
    // It comes after the welcome, which has room for one.
    message: missed && notice !== missed ? '' : (gate.message?.id ?? ''),
  };
}

function missedMessage({ message }: GateState, { createdAt, cameBack }: Arrival, now: number): Notice | undefined {
  return cameBack && message && message.sentAt >= createdAt && now < message.sentAt + STANDS_MS ? message : undefined;
}
