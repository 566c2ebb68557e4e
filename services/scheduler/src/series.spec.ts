import { COUNTED_AT_MOST, comesAfter, nextOccurrences, normalizeSeries, seriesProblem } from './series.js';

const ZONE = 'Europe/Berlin';
const DAILY = '30 2 * * *';
const at = (text: string): number => Date.parse(text);
const shown = (count: number, after: string, cron: string): readonly string[] =>
  nextOccurrences(count, at(after), cron, ZONE).map((o) => `${o.localTime} ${new Date(o.at).toISOString()}`);

describe('seriesProblem', () => {
  it.each(['0 3 * * SUN#2', '*/30 22 * * mon-fri', ' 0  3 L * * ', '0 3 29 2 *', '0 3 * * FRI#L'])(
    'takes "%s"',
    (text) => expect(seriesProblem(text)).toBeUndefined(),
  );

  it.each([
    ['', 'five fields'],
    ['0 0 3 * * *', 'five fields'],
    ['@daily', 'five fields'],
    ['60 3 * * *', 'minute'],
    ['0 3 * * SUN#9', 'five fields'],
    ['0 3 30 2 *', 'never comes'],
    ['0 3 * * *'.padEnd(101), '101 characters'],
  ])('refuses "%s" and says why', (text, why) => expect(seriesProblem(text)).toContain(why));

  it('is written in one way', () => expect(normalizeSeries('  0 3  * * sun#2 ')).toBe('0 3 * * SUN#2'));
});

describe('the times of a series', () => {
  it('are local times of the zone', () => {
    expect(shown(2, '2026-11-01T00:00:00Z', '0 3 * * SUN#2')).toEqual([
      '2026-11-08T03:00:00 2026-11-08T02:00:00.000Z',
      '2026-12-13T03:00:00 2026-12-13T02:00:00.000Z',
    ]);
  });

  it('come once where the clocks go forward, at the first instant after the gap', () => {
    expect(shown(2, '2027-03-27T12:00:00Z', DAILY)).toEqual([
      '2027-03-28T02:30:00 2027-03-28T01:00:00.000Z',
      '2027-03-29T02:30:00 2027-03-29T00:30:00.000Z',
    ]);
    expect(shown(3, '2027-03-28T00:30:00Z', '*/30 * * * *').map((line) => line.slice(20))).toEqual([
      '2027-03-28T01:00:00.000Z',
      '2027-03-28T01:30:00.000Z',
      '2027-03-28T02:00:00.000Z',
    ]);
  });

  it('come once where the clocks go back, at the first of two', () => {
    for (const after of ['2026-10-24T12:00:00Z', '2026-10-25T00:00:00Z']) {
      expect(shown(1, after, DAILY)).toEqual(['2026-10-25T02:30:00 2026-10-25T00:30:00.000Z']);
    }
    for (const after of ['2026-10-25T00:30:00Z', '2026-10-25T01:10:00Z']) {
      expect(shown(1, after, DAILY)).toEqual(['2026-10-26T02:30:00 2026-10-26T01:30:00.000Z']);
    }
  });
});

describe('what a series comes to after a due time', () => {
  const due = at('2026-11-10T01:30:00Z');
  const next = (now: string) => comesAfter(due, at(now), DAILY, ZONE);

  it('is its next time', () => {
    expect(next('2026-11-10T01:30:01Z')).toEqual({ at: at('2026-11-11T01:30:00Z'), passedOver: 0 });
  });
  it('is its first that is not too late, after a standstill', () => {
    expect(next('2026-11-20T01:20:00Z')).toEqual({ at: at('2026-11-20T01:30:00Z'), passedOver: 9 });
    expect(next('2026-11-20T01:31:00Z')).toEqual({ at: at('2026-11-21T01:30:00Z'), passedOver: 10 });
  });
  it('does not count on and on', () => {
    const years = comesAfter(due, at('2126-11-20T12:00:00Z'), '* * * * *', ZONE);
    expect(years).toEqual({ at: at('2126-11-20T12:01:00Z'), passedOver: COUNTED_AT_MOST });
  });
  it('is nothing when the series is over', () => {
    expect(comesAfter(due, due, '0 3 30 2 *', ZONE)).toBeUndefined();
  });
});
