import { durationToMs } from '@lastcall/contracts';
import {
  checkRange,
  checkText,
  collect,
  DAY_MS,
  invalid,
  LIMITS,
  type Rejected,
  type Violation,
} from '@lastcall/kernel';

/* What the requests of operators have in common: texts and times. */

export function wrongText(field: string, text: string): Violation | undefined {
  return checkText(field, text, { min: 1, max: LIMITS.textChars });
}

/** Undefined in, undefined out: the installation's. */
export function reactionTimeOf(duration: Parameters<typeof durationToMs>[0]): { ms?: number } | Rejected {
  const ms = durationToMs(duration);
  if (ms === undefined) return {};
  const wrong = collect(checkRange('reaction_time', ms, 0, DAY_MS, 'milliseconds (0 s to 24 h)'));
  return wrong.length > 0 ? invalid(wrong) : { ms };
}
