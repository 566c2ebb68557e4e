import { failure, HOUR_MS, type RunSpec } from '@lastcall/kernel';
import { clockTime, expectedOpenAt, mayResume, refusalFor } from './admission.js';
import { initialGate, type GateState } from './gate-state.js';

const T0 = Date.UTC(2026, 5, 1, 12, 0);
const run = {
  run: 'r1',
  product: 'encore',
  toVersion: '11.1.0',
  deadlineAt: T0 + HOUR_MS,
  reactionTimeMs: 60_000,
} as RunSpec;
const open: GateState = { ...initialGate, version: '11.0.0' };
const closed: GateState = { ...open, phase: 'drained', cause: { by: 'run', run }, closedAt: T0, logoffAt: T0 + 60_000 };
const who = { host: 'ws1', version: '11.0.0' };

describe('admission', () => {
  it('lets in who has the right version, and anybody while it is not known', () => {
    expect(refusalFor(open, who, 'UTC')).toBeUndefined();
    expect(refusalFor(initialGate, { host: '', version: '1.0.0' }, 'UTC')).toBeUndefined();
  });

  it('names the version that is needed', () =>
    expect(refusalFor(open, { ...who, version: '10.0.0' }, 'UTC')).toMatchObject({
      reason: 'wrong-version',
      requiredVersion: '11.0.0',
    }));

  it('says why it is shut, since when in the zone of the installation, and what happens next', () =>
    expect(refusalFor(closed, who, 'Europe/Berlin')).toMatchObject({
      reason: 'gate-shut',
      closedAt: T0,
      text:
        'encore is being updated to 11.1.0. No logins since 14:00 (Europe/Berlin). ' +
        'You will be able to log in as soon as it is over.',
    }));

  it('estimates the end from the last time, never beyond the run’s deadline', () => {
    expect(expectedOpenAt(closed)).toBeUndefined();
    expect(expectedOpenAt({ ...closed, lastShutMs: 120_000 })).toBe(T0 + 180_000);
    expect(expectedOpenAt({ ...closed, lastShutMs: 9 * HOUR_MS })).toBe(run.deadlineAt);
  });

  it('sends to a person when only a person can help', () => {
    const why = failure('HEALTH', 'Host srv does not answer.');
    const state: GateState = { ...open, phase: 'quarantined', cause: { by: 'run', run }, closedAt: T0, failure: why };
    expect(refusalFor(state, who, 'UTC')?.text).toContain('Host srv does not answer. No logins since 12:00 (UTC).');
    expect(refusalFor(state, who, 'UTC')?.text).toContain('Ask your administrator.');
  });

  it('lets come back who was inside until the logoff', () => {
    const cause = { by: 'run', run } as const;
    const shutting: GateState = { ...open, phase: 'shutting', cause, closedAt: T0, reactionTimeMs: 1, text: '' };
    expect(mayResume(shutting, who, 'UTC')).toBe(true);
    expect(mayResume(closed, who, 'UTC')).toBe(false);
    expect(mayResume(open, who, 'UTC')).toBe(true);
    expect(mayResume(open, { ...who, version: '10.0.0' }, 'UTC')).toBe(false);
  });

  it('writes times with their zone', () => expect(clockTime(T0, '')).toBe('12:00 (UTC)'));
});
