import { HOUR_MS, MINUTE_MS, run as runDecider, isRejected, type RunOutcome } from '@lastcall/kernel';
import { ASSUMED } from './advice/length.js';
import type { JobDocument, RunDocument, RunOrigin } from './documents.js';
import type { Heard } from './domain/heard.js';
import { run as machine, type RunState } from './domain/run.js';
import { retryOf } from './retries.js';
import { sampleDefinition } from './testing/sample-definition.js';
import { sampleSpec } from './testing/sample-spec.js';

/*
 * Which runs are tried again, and when.
 */

const ENDED_AT = 1_000;
const DEFINITION = sampleDefinition({ retries: 2, retryPauseMs: 10 * MINUTE_MS, maxRunTimeMs: HOUR_MS });

function job(more: Partial<JobDocument> = {}): JobDocument {
  const state = { phase: 'done', definition: DEFINITION, revision: 3 } as const;
  const names = { installation: 'berlin', job: 'nightly', product: 'encore' };
  return { ...names, state, createdAt: 0, confirmedCautions: [], ...more };
}

/** A run that heard this and then ended. */
function run(origin: RunOrigin, heard: readonly Heard[] = []): RunDocument {
  let state: RunState = machine.initial;
  const commands = [
    { type: 'open', spec: sampleSpec() } as const,
    ...heard.map((what) => ({ type: 'hear', heard: what, at: 500 }) as const),
    { type: 'end-hard', at: ENDED_AT } as const,
  ];
  for (const command of commands) {
    const decision = runDecider(machine, state, command);
    if (!isRejected(decision)) ({ state } = decision);
  }
  return { installation: 'berlin', job: 'nightly', state, createdAt: 0, confirmedCautions: [], origin };
}

const next = ENDED_AT + 10 * MINUTE_MS;

it('is tried again after the pause, so often and not more', () => {
  expect(retryOf(job(), run({ revision: 3 }), 'failed', ASSUMED)).toMatchObject({
    nominalAt: next,
    attempt: 1,
    revision: 3,
  });
  expect(retryOf(job(), run({ revision: 3, attempt: 1 }), 'failed', ASSUMED)).toMatchObject({ attempt: 2 });
  expect(retryOf(job(), run({ revision: 3, attempt: 2 }), 'failed', ASSUMED)).toBeUndefined();
});

it('fits into the window of the first, or is left', () => {
  const windowEndsAt = next + HOUR_MS;
  expect(retryOf(job(), run({ revision: 3, windowEndsAt }), 'failed', ASSUMED)).toMatchObject({ windowEndsAt });
  expect(retryOf(job(), run({ revision: 3, windowEndsAt: windowEndsAt - 1 }), 'failed', ASSUMED)).toBeUndefined();
});

it.each<RunOutcome>(['succeeded', 'cancelled', 'expired', 'postponed', 'rolled-back', 'quarantined'])(
  'is left when it ended as %s',
  (outcome) => expect(retryOf(job(), run({ revision: 3 }), outcome, ASSUMED)).toBeUndefined(),
);

it.each<[string, JobDocument | undefined, RunDocument | undefined]>([
  ['the install had begun', job(), run({ revision: 3 }, [{ event: 'DrainConfirmed' }])],
  ['hosts were told to run its command', job(), run({ revision: 3 }, [{ event: 'CommandsStarted', hosts: ['srv1'] }])],
  ['the job was changed since', job(), run({ revision: 2 })],
  ['the run is of a version before', job(), { ...run({}), origin: {} }],
  ['the job was deleted', job({ state: { phase: 'none', revision: 3 } }), run({ revision: 3 })],
  ['there is no job', undefined, run({ revision: 3 })],
  ['there is no run', job(), undefined],
  [
    ...(['it is not to be'] as const),
    job({ state: { phase: 'done', definition: sampleDefinition(), revision: 3 } }),
    run({ revision: 3 }),
  ],
])('is left when %s', (_, of, failed) => expect(retryOf(of, failed, 'failed', ASSUMED)).toBeUndefined());
