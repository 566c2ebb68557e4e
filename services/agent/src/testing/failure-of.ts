import { tmpdir } from 'node:os';
import { toStepFailure, type StepFailure } from '../step-failure.js';

/** Why the work failed, as an order would answer it. Throws when it did not fail. */
export async function failureOf(work: Promise<unknown>): Promise<StepFailure['failure']> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error === undefined) throw new Error('it did not fail');
  return toStepFailure(error, tmpdir()).failure;
}
