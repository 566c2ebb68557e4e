import type { sessionV1 } from '@lastcall/contracts';
import { table } from './text.js';

/* How many users are usually logged in, as a week's timetable: an hour a line, a weekday a column. */

const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

/** Each cell is the busiest quarter hour of its hour, `usual (peak)`; hours that were never counted are left out. */
export function historyText({ usage }: sessionV1.GetSessionHistoryResponse): string {
  const cells = new Map<string, { usual: number; peak: number }>();
  for (const { quarterHour, usual, peak, weeks } of usage) {
    if (!quarterHour || weeks === 0) continue;
    const key = `${quarterHour.weekday} ${quarterHour.time.slice(0, 2)}`;
    const known = cells.get(key) ?? { usual: 0, peak: 0 };
    cells.set(key, { usual: Math.max(known.usual, usual), peak: Math.max(known.peak, peak) });
  }
  const hours = Array.from({ length: 24 }, (_, hour) => String(hour).padStart(2, '0'));
  const rows = hours.map((hour) => [
    `${hour}:00`,
    ...WEEKDAYS.map((weekday) => {
      const cell = cells.get(`${weekday} ${hour}`);
      return cell ? `${cell.usual} (${cell.peak})` : '';
    }),
  ]);
  const counted = rows.filter(([, ...days]) => days.some((day) => day !== ''));
  return table(['from', ...WEEKDAYS], counted, 'nobody was counted yet; it begins with the next quarter hour');
}
