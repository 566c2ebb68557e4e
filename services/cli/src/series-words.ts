/*
 * Series as people say them, as five fields of cron and back: "daily 22:00", "weekdays 22:00", "sat,sun 03:00", "second sunday 03:00",
 * "last friday 22:00", "day 15 03:00", "last day 03:00". Everything else is taken for cron, which the scheduler checks.
 */

const ORDINALS: Readonly<Record<string, string>> = {
  first: '1',
  second: '2',
  third: '3',
  fourth: '4',
  fifth: '5',
  last: 'L',
};
const WEEKDAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];

const weekdayOf = (word: string): string | undefined => {
  const found = WEEKDAYS.find((day) => word.length >= 3 && (day === word || day.slice(0, 3) === word));
  return found?.slice(0, 3).toUpperCase();
};

/** The days of month and week of cron that some words mean; undefined: they are none of these forms. */
function daysOf(words: readonly string[]): { day: string; weekday: string } | undefined {
  const [first = '', second = ''] = words;
  if (words.length === 1) {
    if (first === 'daily') return { day: '*', weekday: '*' };
    if (first === 'weekdays') return { day: '*', weekday: 'MON-FRI' };
    const weekdays = first.split(',').map(weekdayOf);
    return weekdays.includes(undefined) ? undefined : { day: '*', weekday: weekdays.join(',') };
  }
  if (words.length !== 2) return undefined;
  if (first === 'day' && /^([1-9]|[12]\d|3[01])$/.test(second)) return { day: second, weekday: '*' };
  if (first === 'last' && second === 'day') return { day: 'L', weekday: '*' };
  const [ordinal, weekday] = [ORDINALS[first], weekdayOf(second)];
  return ordinal && weekday ? { day: '*', weekday: `${weekday}#${ordinal}` } : undefined;
}

export function toCron(text: string): string {
  const words = text.trim().toLowerCase().split(/\s+/);
  const clock = /^([01]?\d|2[0-3]):([0-5]\d)$/.exec(words.at(-1) ?? '');
  const days = clock ? daysOf(words.slice(0, -1)) : undefined;
  if (!clock || !days) return text;
  return `${Number(clock[2])} ${Number(clock[1])} ${days.day} * ${days.weekday}`;
}

/** Words, or the expression itself where there are none for it. */
export function fromCron(cron: string): string {
  const [, minute = '', hour = '', day = '', weekday = ''] = /^(\d+) (\d+) (\S+) \* (\S+)$/.exec(cron) ?? [];
  const words = wordsOf(day, weekday);
  return words === undefined ? cron : `${words} ${hour.padStart(2, '0')}:${minute.padStart(2, '0')}`;
}

function wordsOf(day: string, weekday: string): string | undefined {
  if (weekday === '*')
    return day === '*' ? 'daily' : day === 'L' ? 'last day' : /^\d+$/.test(day) ? `day ${day}` : undefined;
  if (day !== '*') return undefined;
  if (weekday === 'MON-FRI') return 'weekdays';
  const [name = '', ordinal] = weekday.split('#');
  const names = name.split(',').map((short) => WEEKDAYS.find((full) => full.slice(0, 3).toUpperCase() === short));
  if (names.includes(undefined)) return undefined;
  const which = Object.keys(ORDINALS).find((word) => ORDINALS[word] === ordinal);
  if (ordinal !== undefined && (which === undefined || names.length > 1)) return undefined;
  return which === undefined ? names.join(',') : `${which} ${names.join()}`;
}
