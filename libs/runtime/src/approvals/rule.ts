import { durationToMs, type catalogV1 } from '@lastcall/contracts';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '@lastcall/kernel';

/* Which actions of an installation need two people. */

export interface SecondPersonRule {
  readonly actions: readonly string[];
  /** How long a request waits. */
  readonly validMs: number;
}

export const MIN_VALID_MS = MINUTE_MS;
export const MAX_VALID_MS = DAY_MS;
export const DEFAULT_VALID_MS = HOUR_MS;

/** As the catalog tells it; a wait that is not said is the usual one. */
export function parseRule({ actions, validFor }: catalogV1.SecondPerson): SecondPersonRule {
  return { actions, validMs: durationToMs(validFor) ?? DEFAULT_VALID_MS };
}

/** The first of what an action is that the rule names. */
export function neededBy(rule: SecondPersonRule | undefined, ...actions: readonly string[]): string | undefined {
  return actions.find((action) => rule?.actions.includes(action));
}
