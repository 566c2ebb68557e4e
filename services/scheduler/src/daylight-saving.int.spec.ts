import { DAY_MS } from '@lastcall/kernel';
import { occurrencesAfter } from './series.js';

/*
 * Series in every zone of the time zone database over two years, against a calculation of another kind: the changes of a zone's clocks are found
 * first, and a local time is then looked up in the stretches between them.
 */

const FROM = Date.UTC(2026, 0, 1);
const TO = Date.UTC(2028, 0, 1);
const ZONES = Intl.supportedValuesOf('timeZone');

type IsNamed = (date: Date) => boolean;
const isSunday: IsNamed = (date) => date.getUTCDay() === 0;
const isLastOfMonth: IsNamed = (date) => new Date(date.getTime() + DAY_MS).getUTCDate() === 1;
const PATTERNS: readonly [cron: string, time: string, isNamed: IsNamed][] = [
  ['30 2 * * *', '02:30', () => true],
  ['0 0 * * SUN', '00:00', isSunday],
  ['0 3 * * SUN#2', '03:00', (date) => isSunday(date) && date.getUTCDate() > 7 && date.getUTCDate() <= 14],
  ['15 1 L * *', '01:15', isLastOfMonth],
];

/** From `since` on the zone's clocks show `offset` milliseconds more than those of UTC. */
interface Stretch {
  readonly since: number;
  readonly offset: number;
}

function stretchesOf(timeZone: string): readonly Stretch[] {
  const format = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' });
  const offsetAt = (at: number): number => Date.parse(`${format.format(at).replace(' ', 'T')}Z`) - at;
  const stretches: Stretch[] = [{ since: FROM - 2 * DAY_MS, offset: offsetAt(FROM - 2 * DAY_MS) }];
  for (let day = FROM - DAY_MS; day < TO + 2 * DAY_MS; day += DAY_MS) {
    const before = stretches.at(-1)?.offset;
    if (offsetAt(day) === before) continue;
    let [old, changed] = [day - DAY_MS, day];
    while (changed - old > 1_000) {
      const middle = Math.floor((old + changed) / 2_000) * 1_000;
      if (offsetAt(middle) === before) old = middle;
      else changed = middle;
    }
    stretches.push({ since: changed, offset: offsetAt(changed) });
  }
  return stretches;
}

/** The first instant at which the zone's clocks show the time, or else at which they show a later one. */
function lookUp(local: number, stretches: readonly Stretch[]): number {
  const instants = stretches.map(({ since, offset }, at) => {
    const until = stretches[at + 1]?.since ?? Infinity;
    const inside = Math.max(local - offset, since);
    return inside < until ? inside : Infinity;
  });
  return Math.min(...instants);
}

function expected([, time, isNamed]: (typeof PATTERNS)[number], stretches: readonly Stretch[]): readonly number[] {
  const found = new Set<number>();
  for (let day = FROM - 2 * DAY_MS; day < TO + 2 * DAY_MS; day += DAY_MS) {
    const date = new Date(day);
    if (isNamed(date)) found.add(lookUp(Date.parse(`${date.toISOString().slice(0, 10)}T${time}:00Z`), stretches));
  }
  return [...found].filter((at) => at > FROM && at < TO);
}

const STRETCHES = new Map(ZONES.map((timeZone) => [timeZone, stretchesOf(timeZone)]));

it('knows the zones, and changes of their clocks', () => {
  expect(ZONES.length).toBeGreaterThan(400);
  expect(STRETCHES.get('Europe/Berlin')?.map(({ since }) => new Date(since).toISOString())).toEqual([
    '2025-12-30T00:00:00.000Z',
    '2026-03-29T01:00:00.000Z',
    '2026-10-25T01:00:00.000Z',
    '2027-03-28T01:00:00.000Z',
    '2027-10-31T01:00:00.000Z',
  ]);
});

it.each(PATTERNS)('"%s" is the same in all zones', (...pattern) => {
  const [cron] = pattern;
  let times = 0;
  for (const [timeZone, stretches] of STRETCHES) {
    const found: number[] = [];
    for (const { at } of occurrencesAfter(FROM, cron, timeZone)) {
      if (at >= TO) break;
      found.push(at);
    }
    const right = expected(pattern, stretches);
    if (found.join() !== right.join()) expect({ timeZone, times: found }).toEqual({ timeZone, times: right });
    times += found.length;
  }
  expect(times).toBeGreaterThan(ZONES.length * 20);
});
