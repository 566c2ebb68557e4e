import { HOUR_MS, MINUTE_MS } from '@lastcall/kernel';
import {
  backup,
  CONFIRMED,
  DEADLINE,
  end,
  given,
  GRACE,
  prove,
  shut,
  spec,
  T0,
  tell,
  types,
} from '../testing/gate-commands.js';
import { endsExempt, mayResume } from './admission.js';
import { gateDueAt } from './expiry.js';
import type { GateCommand } from './gate-messages.js';
import { DEFAULT_POLICY } from './installation.js';

/* Exempt users keep the reaction time, however soon all the others have left. */

const SOON = T0 + 1_000;
/** All the others left by themselves, and the backup was short. */
const early = [shut(), tell(), prove(0, SOON), backup('r1', SOON)];

describe('exempt users when the others have left early', () => {
  it('given an early backup, when the time that the notice named is not over, then they stay', () => {
    const { state } = given(...early);
    expect(state).toMatchObject({ phase: 'confirming', exemptUntil: DEADLINE });
    expect([SOON, DEADLINE - 1, DEADLINE].map((at) => endsExempt(state, at))).toEqual([false, false, true]);
  });

  it('given an early backup, when nobody says anything, then the gate goes on at that time by itself', () => {
    expect(gateDueAt(given(...early).state, GRACE)).toBe(DEADLINE);
    expect(types(given(...early).when(prove(0, DEADLINE)).events)).toEqual(['confirmed']);
  });

  it('given an early backup, when the last of them has gone before, then nobody waits', () => {
    expect(types(given(...early).when(prove(0, SOON + 1)).events)).toEqual(['confirmed']);
    expect(types(given(shut(), tell(), prove(0, SOON)).when(backup('r1', SOON)).events)).toEqual(['backup-noted']);
  });

  it('given an early backup, when they are slow to go, then the time for it begins at the deadline', () => {
    expect(given(...early).when(prove(1, SOON + 2 * MINUTE_MS)).events).toEqual([]);
    expect(given(...early).when(prove(1, DEADLINE + MINUTE_MS - 1)).events).toEqual([]);
    expect(types(given(...early).when(prove(1, DEADLINE + MINUTE_MS)).events)).toContain('drain-failed');
  });

  it('given a run that falls silent meanwhile, when it is due, then that is sooner than the deadline', () => {
    const short: GateCommand = { type: 'shut', run: spec(), leaseMs: MINUTE_MS, at: T0 };
    expect(gateDueAt(given(short, ...early.slice(1)).state, GRACE)).toBe(T0 + MINUTE_MS);
  });

  it('given a hold that moved the logoff, when all have left, then the time before it counts', () => {
    const run = spec('r1', 1, { holdsAllowed: true });
    const hold: GateCommand = {
      type: 'hold',
      hold: 'h1',
      session: 's1',
      user: 'ann',
      reason: 'month-end',
      durationMs: HOUR_MS,
      limits: DEFAULT_POLICY.holds,
      notice: 'n2',
      at: T0,
    };
    const { state } = given(shut(run), tell(), hold, prove(0, SOON));
    expect(state).toMatchObject({ phase: 'drained', exemptUntil: DEADLINE });
  });

  it('given a logoff at its deadline, when the backup is there, then they go at once', () => {
    const { state } = given(shut(), tell(), end(), prove(0), backup());
    expect(state).toMatchObject({ phase: 'confirming', giveUpAt: DEADLINE + MINUTE_MS });
    expect(endsExempt(state, DEADLINE)).toBe(true);
    expect(gateDueAt(state, GRACE)).toBeLessThanOrEqual(DEADLINE);
  });

  it('given an early backup, when the connection of one was lost, then they may come back until then', () => {
    const { state } = given(...early);
    const who = { host: '', version: '11.0.0', exempt: true };
    expect(mayResume(state, who, DEADLINE - 1)).toBe(true);
    expect(mayResume(state, who, DEADLINE)).toBe(false);
    expect(mayResume(state, { ...who, exempt: false }, SOON)).toBe(false);
    expect(mayResume(given(...CONFIRMED).state, who, SOON)).toBe(false);
  });

  it('forgets the time with the phase', () =>
    expect(given(...early, prove(0, DEADLINE)).state).not.toHaveProperty('exemptUntil'));
});
