import { fromCron, toCron } from './series-words.js';

it.each([
  ['daily 22:00', '0 22 * * *'],
  ['weekdays 06:05', '5 6 * * MON-FRI'],
  ['sunday 03:00', '0 3 * * SUN'],
  ['saturday,sunday 03:00', '0 3 * * SAT,SUN'],
  ['second sunday 03:00', '0 3 * * SUN#2'],
  ['last friday 22:30', '30 22 * * FRI#L'],
  ['day 15 00:00', '0 0 15 * *'],
  ['last day 23:59', '59 23 L * *'],
])('"%s" is %s, and back', (words, cron) => {
  expect(toCron(words)).toBe(cron);
  expect(fromCron(cron)).toBe(words);
});

it.each([
  ['  Second   SUN 3:00 ', '0 3 * * SUN#2'],
  ['sat,sun 03:00', '0 3 * * SAT,SUN'],
])('reads "%s"', (words, cron) => expect(toCron(words)).toBe(cron));

it.each([
  '*/30 * * * *',
  '0 3 1 1 *',
  '0 3 1 * SUN',
  '0 3 * * SUN#7',
  '0 3 * * SAT#1,SUN#1',
  'daily',
  'some day 03:00',
  'day 32 03:00',
  'daily 24:00',
  'second 03:00',
])('leaves "%s" as it is', (text) => {
  expect(toCron(text)).toBe(text);
  expect(fromCron(text)).toBe(text);
});
