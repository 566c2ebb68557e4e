import { Poison } from '@lastcall/contracts';
import { Defect, Fault } from '@lastcall/kernel';
import { MAX_DELIVERIES } from './port.js';
import { afterFailedBurial, afterFailure, describe as describeError, UNTRIED, type Ordeal } from './retry-policy.js';
import { DEFAULT_TUNING } from './tuning.js';

/** Fails until it is buried; answers the waits in between. */
function ordeal(error: unknown, stepMs = 0): { waits: number[]; reason: string } {
  const waits: number[] = [];
  let state: Ordeal = UNTRIED;
  for (let now = 0; ; now += stepMs) {
    const verdict = afterFailure(state, error, now, DEFAULT_TUNING);
    if (verdict.kind === 'bury') return { waits, reason: verdict.reason };
    waits.push(verdict.afterMs);
    now += verdict.afterMs;
    state = verdict.ordeal;
  }
}

describe('afterFailure', () => {
  it('delivers five times, with growing waits', () => {
    expect(DEFAULT_TUNING.retryDelaysMs).toHaveLength(MAX_DELIVERIES - 1);
    expect(ordeal(new Defect('bug'))).toEqual({ waits: DEFAULT_TUNING.retryDelaysMs, reason: 'Defect: bug' });
  });

  it('buries poison at once', () =>
    expect(ordeal(new Poison('bytes'))).toEqual({ waits: [], reason: 'Poison: bytes' }));

  it('repeats a Fault for as long as the patience lasts, then counts', () => {
    const { waits } = ordeal(new Fault('away'));
    expect(waits.slice(0, 7)).toEqual([50, 100, 200, 400, 800, 1_600, 2_000]);
    expect(waits.slice(-4)).toEqual(DEFAULT_TUNING.retryDelaysMs);
    const patience = waits.slice(0, -4).reduce((sum, wait) => sum + wait, 0);
    expect(patience).toBeGreaterThanOrEqual(DEFAULT_TUNING.faultPatienceMs);
    expect(patience).toBeLessThan(DEFAULT_TUNING.faultPatienceMs + DEFAULT_TUNING.maxDelayMs);
  });
});

describe('afterFailedBurial', () => {
  it('waits longer each time, up to the bound', () => {
    let state = UNTRIED;
    const waits = Array.from({ length: 8 }, () => {
      const again = afterFailedBurial(state, DEFAULT_TUNING);
      state = again.ordeal;
      return again.afterMs;
    });
    expect(waits).toEqual([50, 100, 200, 400, 800, 1_600, 2_000, 2_000]);
  });
});

describe('describe', () => {
  it('names the causes', () =>
    expect(describeError(new Fault('no', { cause: new Error('disk', { cause: 'full' }) }))).toBe(
      'Fault: no: Error: disk: full',
    ));
});
