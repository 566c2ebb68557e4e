import { MINUTE_MS } from '@lastcall/kernel';
import fc from 'fast-check';
import { ASSUMED, lengthFrom, lengthText } from './length.js';

it.each([
  [[5], 5, 5],
  [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 5, 9],
  [[10, 1], 1, 10],
])('of %j has the median %i and the ninth of ten %i', (minutes, medianMs, p90Ms) => {
  expect(lengthFrom(minutes)).toEqual({ medianMs, p90Ms, runs: minutes.length });
});
it('is assumed when nothing was measured, and says so', () => {
  expect(lengthFrom([])).toBe(ASSUMED);
  expect(lengthText(ASSUMED)).toContain('30 min are assumed');
});
it.each([
  [[14_000], 'takes about 14 s (measured: 1 run)'],
  [[3 * MINUTE_MS, 65 * MINUTE_MS], 'takes about 3 min, nine of ten runs 1 h 5 min at most (measured: 2 runs)'],
])('%j: %s', (ms, text) => expect(lengthText(lengthFrom(ms))).toBe(text));
it('lies between the shortest and the longest, in any order', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(1e9), { minLength: 1 }), (ms) => {
      const { medianMs, p90Ms } = lengthFrom(ms);
      expect(medianMs).toBeLessThanOrEqual(p90Ms);
      expect(ms).toEqual(expect.arrayContaining([medianMs, p90Ms]));
      expect(ms.filter((one) => one <= p90Ms).length / ms.length).toBeGreaterThanOrEqual(0.9);
    }),
  );
});
