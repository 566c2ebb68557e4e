import type { HolidaysTypes, default as Library } from 'date-holidays';
import { DAY_MS, HOUR_MS, type Dates } from '@lastcall/kernel';

/*
 * Public holidays of a region, worked out year by year as they are asked for. The only importer of the library, which is large: it is loaded
 * when the first installation asks for a region.
 */

export interface Holidays extends Dates {
  /** Of a date, `YYYY-MM-DD`; undefined: it is no holiday. */
  nameOf(date: string): string | undefined;
}

/** Years of regions that are kept. */
const KEPT = 64;
/** Other years are without holidays: the library does not come to an end with some calendars in years that nobody plans for. */
const FIRST_YEAR = 1970;
const LAST_YEAR = 2199;
const years = new Map<string, ReadonlyMap<string, string>>();
const HALF_A_DAY_MS = 12 * HOUR_MS;

let library: Promise<typeof Library> | undefined;

async function load(): Promise<typeof Library> {
  library ??= import('date-holidays').then((module) => module.default);
  return library.catch((error: unknown) => {
    library = undefined;
    throw error;
  });
}

/** Own dates, and the public holidays of a region (empty: none) but those on which people work. */
export async function holidaysOf(region: string, own: readonly string[], worked: readonly string[]): Promise<Holidays> {
  const ofYear = region === '' ? () => undefined : await national(region);
  const nameOf = (date: string): string | undefined => {
    if (own.includes(date)) return ofYear(date)?.get(date) ?? 'a day of its own';
    return worked.includes(date) ? undefined : ofYear(date)?.get(date);
  };
  return { nameOf, includes: (date) => nameOf(date) !== undefined };
}

async function national(region: string): Promise<(date: string) => ReadonlyMap<string, string> | undefined> {
  const Calendar = await load();
  let calendar: Library | undefined;
  return (date) => {
    const year = Number(date.slice(0, 4));
    if (!(year >= FIRST_YEAR && year <= LAST_YEAR)) return undefined;
    const key = `${region}/${year}`;
    const known = years.get(key);
    if (known) return known;
    calendar ??= new Calendar(...(region.split('-') as [string]));
    const found = datesOf(calendar.getHolidays(year, 'en'));
    const [oldest] = years.keys();
    if (years.size >= KEPT && oldest !== undefined) years.delete(oldest);
    years.set(key, found);
    return found;
  };
}

/** One that lasts several days is all of them; one of less than half a day leaves the day as it is. */
function datesOf(holidays: readonly HolidaysTypes.Holiday[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const { date, start, end, type, name } of holidays) {
    if (type !== 'public') continue;
    const day = Date.parse(date.slice(0, 10));
    const from = Date.parse(`${date.slice(0, 10)}T${date.slice(11, 19)}Z`);
    const until = from + (end.getTime() - start.getTime());
    for (let at = day; at < until; at += DAY_MS) {
      const meant = Math.min(until, at + DAY_MS) - Math.max(from, at);
      const key = new Date(at).toISOString().slice(0, 10);
      if (meant >= HALF_A_DAY_MS && !found.has(key)) found.set(key, name);
    }
  }
  return found;
}

/** Every region that the library knows: countries, their states, and regions of these. */
export async function allRegions(): Promise<readonly string[]> {
  const Calendar = await load();
  const calendar = new Calendar();
  const keys = (found: object | undefined): string[] => Object.keys(found ?? {});
  return keys(calendar.getCountries()).flatMap((country) => [
    country,
    ...keys(calendar.getStates(country)).flatMap((state) => [
      `${country}-${state}`,
      ...keys(calendar.getRegions(country, state)).map((region) => `${country}-${state}-${region}`),
    ]),
  ]);
}
