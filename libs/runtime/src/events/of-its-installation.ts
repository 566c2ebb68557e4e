import type { EventEnvelope } from '@lastcall/contracts';
import type { Change, StepContext } from '@lastcall/store';

type Step<T, R> = (current: T | undefined, context: StepContext) => Change<T, R | undefined>;

/** Documents are found by ids that an event names; an event of one installation changes nothing of another one. */
export function ofItsInstallation<T extends { readonly installation: string }, R>(
  { installation }: EventEnvelope,
  step: Step<T, R>,
): Step<T, R> {
  return (current, context) =>
    current && current.installation !== installation ? { keep: undefined } : step(current, context);
}
