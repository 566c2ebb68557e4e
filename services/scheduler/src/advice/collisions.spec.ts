import { DAY_MS, HOUR_MS } from '@lastcall/kernel';
import fc from 'fast-check';
import { nextOccurrences } from '../series.js';
import { collisionsOf, occupiedBetween, type Other } from './collisions.js';

const BEGIN = Date.parse('2026-11-23T00:00:00Z');
const zone = 'Europe/Berlin';
const daily: Other = { job: 'nightly', run: '', at: BEGIN, lengthMs: HOUR_MS, cron: '0 1 * * *' };

it('finds a later time of a series, and the earliest of each other one', () => {
  const found = collisionsOf([BEGIN + 5 * DAY_MS + 30], HOUR_MS, [daily], zone);
  expect(found).toEqual([{ job: 'nightly', run: '', from: BEGIN + 5 * DAY_MS, until: BEGIN + 5 * DAY_MS + HOUR_MS }]);
  expect(collisionsOf([BEGIN + 5 * DAY_MS + HOUR_MS], HOUR_MS, [daily], zone)).toEqual([]);
});
it.each(['0001-01-01T00:00:00Z', '9999-12-31T23:00:00Z'])('comes to an end at %s too', (time) => {
  const at = Date.parse(time);
  expect(collisionsOf([at], HOUR_MS, [daily], zone)).toEqual([]);
  expect(occupiedBetween(at, at + DAY_MS, [daily], zone).length).toBeLessThanOrEqual(1);
});
it('is bounded, whatever there is', () => {
  const many = Array.from({ length: 200 }, (_, i) => ({ ...daily, job: `j${i}`, cron: '* * * * *' }));
  expect(collisionsOf([BEGIN + DAY_MS], HOUR_MS, many, zone)).toHaveLength(20);
  expect(occupiedBetween(BEGIN, BEGIN + DAY_MS, [{ ...daily, cron: '* * * * *' }], zone).length).toBeLessThanOrEqual(5);
});

it('says the same as a comparison of all times', () => {
  const other = fc.record({
    at: fc.integer({ min: 0, max: 200 }),
    length: fc.integer({ min: 1, max: 20 }),
    cron: fc.option(fc.constantFrom('0 1 * * *', '30 */6 * * *', '0 3 * * SUN'), { nil: undefined }),
  });
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 200 }), { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 1, max: 20 }),
      fc.array(other, { maxLength: 4 }),
      (starts, length, given) => {
        const times = starts.toSorted((a, b) => a - b).map((h) => BEGIN + h * HOUR_MS);
        const others = given.map(({ at, length: hours, cron }, i) => {
          const due = { job: `j${i}`, run: '', at: BEGIN + at * HOUR_MS, lengthMs: hours * HOUR_MS };
          return cron === undefined ? due : { ...due, cron };
        });
        const allOf = ({ at, cron }: Other) => [
          at,
          ...(cron === undefined ? [] : nextOccurrences(100, at, cron, zone).map((o) => o.at)),
        ];
        const expected = others.filter((o) =>
          allOf(o).some((at) => times.some((t) => at < t + length * HOUR_MS && t < at + o.lengthMs)),
        );
        const found = collisionsOf(times, length * HOUR_MS, others, zone);
        expect(found.map(({ job }) => job).toSorted()).toEqual(expected.map(({ job }) => job));
      },
    ),
    { numRuns: 50 },
  );
});
