import { equal, holds, readResults } from './results.js';

const summary = (metrics: object): string => JSON.stringify(metrics);
const counter = (count: number, expected: number) => ({
  type: 'counter',
  values: { count, rate: 0 },
  thresholds: { [`count==${expected}`]: { ok: count === expected } },
});

describe('the results of a run of k6', () => {
  it('are what was counted, with what was expected of it', () => {
    const { checks, counts } = readResults(
      summary({ lastcall_told: counter(40, 40), lastcall_told_twice: counter(2, 0), vus: counter(1, 1) }),
    );
    expect(counts).toEqual({ told: 40, told_twice: 2 });
    expect(checks).toEqual([
      { what: 'told', expected: '40', found: '40', ok: true },
      { what: 'told twice', expected: '0', found: '2', ok: false },
    ]);
  });

  it('have no times where there was no sample', () => {
    const trend = (count: number) => ({
      type: 'trend',
      values: { count, min: 1, med: 2.345, 'p(99)': 300.4, max: 400 },
    });
    const { times } = readResults(summary({ lastcall_told_ms: trend(40), lastcall_back_ms: trend(0) }));
    expect(times).toEqual({ told_ms: { count: 40, min: 1, p50: 2.35, p99: 300, max: 400 } });
  });

  it('are broken when nothing was asserted', () => {
    expect(readResults(summary({ vus: counter(1, 1) })).checks).toMatchObject([{ ok: false }]);
  });

  it('compare only equals', () => {
    expect(equal('sessions', 1, 1).ok).toBe(true);
    expect(equal('sessions', Number.NaN, 0).ok).toBe(false);
    expect(holds('so', false, 3)).toEqual({ what: 'so', expected: 'so', found: '3', ok: false });
  });
});
