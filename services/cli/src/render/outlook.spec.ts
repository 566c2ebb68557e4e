import { schedulerV1, sessionV1 } from '@lastcall/contracts';
import { historyText } from './history.js';
import { suggestionsText } from './outlook.js';

it('shows quieter times with their numbers', () => {
  const times = [
    {
      localTime: '2026-11-24T22:00',
      quietUntil: '2026-11-25T04:00',
      reason: 'a\u0007 holiday',
      users: { usual: 3, peak: 7, weeks: 8 },
    },
    { localTime: '2026-11-25T22:00', quietUntil: '2026-11-26T04:00', reason: 'nothing else is due' },
  ].map((time) => schedulerV1.SuggestedTime.fromPartial(time));
  expect(suggestionsText(times, 'Europe/Berlin')).toBe(
    [
      'TIME (Europe/Berlin)  QUIET UNTIL       USUALLY  PEAK  WHY',
      '2026-11-24 22:00      2026-11-25 04:00  3        7     a\ufffd holiday',
      '2026-11-25 22:00      2026-11-26 04:00  -        -     nothing else is due',
      '',
    ].join('\n'),
  );
  expect(suggestionsText([], 'UTC')).toContain('nothing against it');
});

it('shows the week of an installation, hour by hour', () => {
  const counted = (weekday: string, time: string, usual: number, peak: number) => ({
    quarterHour: { weekday, time },
    usual,
    peak,
    weeks: 2,
  });
  const usage = [counted('mon', '08:00', 20, 30), counted('mon', '08:45', 38, 30), counted('sun', '23:00', 0, 1)];
  const text = historyText(sessionV1.GetSessionHistoryResponse.fromPartial({ usage, weeks: 2 }));
  expect(
    text
      .split('\n')
      .slice(1, 3)
      .map((line) => line.split(/ {2,}/)),
  ).toEqual([
    ['08:00', '38 (30)', '-', '-', '-', '-', '-', '-'],
    ['23:00', '-', '-', '-', '-', '-', '-', '0 (1)'],
  ]);
  expect(historyText(sessionV1.GetSessionHistoryResponse.create())).toContain('nobody was counted yet');
});
