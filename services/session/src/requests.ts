import { durationToMs } from '@lastcall/contracts';
import {
  checkId,
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

/** Empty is right: any host. */
export function checkHostIfSaid(host: string): Violation | undefined {
  return host === '' ? undefined : checkId('host', host);
}

/** Undefined in, undefined out: the installation's. */
export function reactionTimeOf(duration: Parameters<typeof durationToMs>[0]): { ms?: number } | Rejected {
  const ms = durationToMs(duration);
  if (ms === undefined) return {};
  const wrong = collect(checkRange('reaction_time', ms, 0, DAY_MS, 'milliseconds (0 s to 24 h)'));
  return wrong.length > 0 ? invalid(wrong) : { ms };
}
