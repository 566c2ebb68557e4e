import type { HoldAnswer } from './session-words.js';

/* What this side says of holds by itself. */

const MINUTES = { shortest: 1, longest: 240 } as const;

export function notGranted(text: string): HoldAnswer {
  return { granted: false, awaitsApproval: false, text, expiresAt: undefined };
}

/** For the application's developer: the server would refuse it too, and end a session that asks like this often. */
export function whatIsWrongWithHold(reason: unknown, minutes: unknown): string | undefined {
  const { shortest, longest } = MINUTES;
  if (typeof reason !== 'string' || reason.trim() === '' || reason.length > 200) {
    return 'The reason of a hold is a text of 1–200 characters.';
  }
  if (typeof minutes !== 'number' || !(minutes >= shortest && minutes <= longest)) {
    return `A hold is for ${shortest}–${longest} minutes.`;
  }
  return undefined;
}
