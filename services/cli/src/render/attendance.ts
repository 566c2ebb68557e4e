import { sessionV1 } from '@lastcall/contracts';
import { count, table } from './text.js';
import { clock } from './time.js';
import { departureWord } from './words.js';

/* What became of each user of a run's logoff. */

type Attendance = sessionV1.Attendance;

/** Those whose end was not their own doing come first; a person reads no more than this. */
const SHOWN = 50;

/** The list, all of it with `everybody`; empty when nobody was inside. */
export function attendanceText(attendance: readonly Attendance[], zone: string, everybody: boolean): string {
  if (attendance.length === 0) return '';
  const shown = everybody ? attendance : attendance.toSorted((a, b) => rank(a) - rank(b)).slice(0, SHOWN);
  const rows = table(
    ['user', 'name', 'host', `sent (${zone})`, 'received', 'read', 'ready', 'ended', 'how', 'session'],
    shown.map((a) => [
      a.user,
      a.displayName,
      a.host,
      at(a.sentTime, zone),
      at(a.receivedTime, zone),
      at(a.readTime, zone),
      at(a.readyTime, zone),
      at(a.endTime, zone),
      departureWord(a.departure),
      a.session,
    ]),
  );
  const hidden = attendance.length - shown.length;
  const more = hidden === 0 ? '' : `… and ${count(hidden, 'more user')}; "run report --users" lists everybody\n`;
  return `Users who were told:\n${rows}${more}`;
}

function at(date: Date | undefined, zone: string): string {
  return date ? clock(date, zone) : '';
}

const RANKS: Readonly<Partial<Record<sessionV1.Departure, number>>> = {
  [sessionV1.Departure.LOST]: 1,
  [sessionV1.Departure.DEADLINE]: 2,
  [sessionV1.Departure.LEFT]: 3,
  [sessionV1.Departure.READY]: 4,
};

function rank({ departure }: Attendance): number {
  return RANKS[departure] ?? 0;
}
