import { failure, HOUR_MS, MINUTE_MS, type RunSpec } from '@lastcall/kernel';
import { admitsExempt, expectedOpenAt, isExempt, mayResume, refusalFor } from './admission.js';
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
const wordsAt = (state: GateState, now?: number) => refusalFor(state, who, now)?.words;

describe('admission', () => {
  it('lets in who has the right version, and anybody while it is not known', () => {
    expect(refusalFor(open, who)).toBeUndefined();
    expect(refusalFor(initialGate, { host: '', version: '1.0.0' })).toBeUndefined();
  });

  it('names the version that is needed', () =>
    expect(refusalFor(open, { ...who, version: '10.0.0' })).toMatchObject({
      reason: 'wrong-version',
      requiredVersion: '11.0.0',
    }));

  it('says why it is shut, since when, until when, and what happens next', () =>
    expect(refusalFor(closed, who)).toMatchObject({
      reason: 'gate-shut',
      closedAt: T0,
      words: [
        { phrase: 'updating', product: 'encore', version: '11.1.0' },
        { phrase: 'shut-since', since: { at: T0 } },
        { phrase: 'over-by', until: { at: run.deadlineAt } },
        { phrase: 'open-when-over' },
      ],
    }));

  it('estimates the end from the last time, never beyond the run’s deadline', () => {
    expect(expectedOpenAt(closed)).toBeUndefined();
    expect(expectedOpenAt({ ...closed, shutTimesMs: [9 * HOUR_MS, 120_000, 1_000] })).toBe(T0 + 180_000);
    expect(expectedOpenAt({ ...closed, shutTimesMs: [9 * HOUR_MS] })).toBe(run.deadlineAt);
  });

  it('sends to a person when only a person can help', () => {
    const why = failure('HEALTH', 'Host srv does not answer.');
    const state: GateState = { ...open, phase: 'quarantined', cause: { by: 'run', run }, closedAt: T0, failure: why };
    expect(wordsAt(state)).toMatchObject([
      { phrase: 'way-back-failed' },
      { phrase: 'shut-since' },
      '',
      { phrase: 'ask-administrator' },
    ]);
  });

  it('lets come back who was inside until the logoff', () => {
    const cause = { by: 'run', run } as const;
    const shutting: GateState = { ...open, phase: 'shutting', cause, closedAt: T0, reactionTimeMs: 1, text: '' };
    expect(mayResume(shutting, who)).toBe(true);
    expect(mayResume(closed, who)).toBe(false);
    expect(mayResume(open, who)).toBe(true);
    expect(mayResume(open, { ...who, version: '10.0.0' })).toBe(false);
  });

  it('promises no time that is over', () => {
    const state = { ...closed, shutTimesMs: [120_000] };
    expect(wordsAt(state, T0)).toContainEqual({ phrase: 'open-about', until: { at: T0 + 180_000, now: T0 } });
    const late = refusalFor(state, who, T0 + 10 * MINUTE_MS);
    expect(late?.expectedAt).toBeUndefined();
    expect(late?.words).toContainEqual({
      phrase: 'over-by',
      until: { at: run.deadlineAt, now: T0 + 10 * MINUTE_MS },
    });
    expect(wordsAt(state, T0 + 2 * HOUR_MS)).toMatchObject([{}, {}, '', { phrase: 'open-when-over' }]);
  });

  it('names the person’s reason, and whom the user waits for', () => {
    const state: GateState = {
      ...open,
      phase: 'drained',
      cause: { by: 'hand', who: 'otto', reason: 'New disks.' },
      closedAt: T0,
    };
    const now = T0 + 24 * HOUR_MS;
    expect(wordsAt(state, now)).toEqual([
      'New disks.',
      { phrase: 'shut-since', since: { at: T0, now } },
      '',
      { phrase: 'open-by-administrator' },
    ]);
  });

  it('sends to a person after the alarm, without an estimate', () => {
    const state: GateState = { ...closed, phase: 'confirmed', alarm: 'lease-lost', shutTimesMs: [1] };
    const refusal = refusalFor(state, who, T0);
    expect(refusal).not.toHaveProperty('expectedAt');
    expect(refusal?.words).toMatchObject([
      [{ phrase: 'updating' }, { phrase: 'overdue' }],
      { phrase: 'shut-since' },
      '',
      { phrase: 'ask-administrator' },
    ]);
  });
});

describe('exempt users', () => {
  const exempt = { ...who, exempt: true };
  const cause = { by: 'run', run } as const;
  const shut = { ...open, cause, closedAt: T0 };
  const before: GateState[] = [
    { ...shut, phase: 'shutting', reactionTimeMs: 1, text: '' },
    { ...shut, phase: 'drained' },
  ];
  const after: GateState[] = [
    { ...shut, phase: 'confirming', giveUpAt: T0 },
    { ...shut, phase: 'confirmed' },
    { ...shut, phase: 'quarantined', failure: failure('X', 'It broke.') },
  ];

  it('are those of the installation', () => {
    expect(isExempt('support', { exemptUsers: ['support'] })).toBe(true);
    expect(isExempt('Support', { exemptUsers: ['support'] })).toBe(false);
  });

  it.each(before)('are let in while it is shut and nothing was backed up: $phase', (state) => {
    expect(admitsExempt(state)).toBe(true);
    expect(refusalFor(state, exempt)).toBeUndefined();
    expect(refusalFor(state, who)?.reason).toBe('gate-shut');
    expect(mayResume(state, exempt)).toBe(true);
  });

  it.each(after)('are refused like everybody from the backup on: $phase', (state) => {
    expect(admitsExempt(state)).toBe(false);
    expect(refusalFor(state, exempt)?.reason).toBe('gate-shut');
    expect(mayResume(state, exempt)).toBe(false);
  });

  it('need the right version and an open host as everybody', () => {
    const [, state = open] = before;
    expect(refusalFor(state, { ...exempt, version: '10.0.0' })?.reason).toBe('wrong-version');
    const start = {
      state: 'given-up',
      order: 'o',
      code: 'c',
      version: '11.0.0',
      run,
      giveUpAt: T0,
      reason: 'X.',
    } as const;
    expect(refusalFor({ ...state, firstStarts: { ws1: start } }, exempt)?.reason).toBe('host-shut');
  });
});
