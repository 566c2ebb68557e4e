import { catalogV1, formatName } from '@lastcall/contracts';
import { businessSpanAt, type BusinessHours, type LocalTime } from '@lastcall/kernel';
import { createClient, type Channel } from '@lastcall/sdk';
import type { RateAt } from './blobs/rate-limit.js';
import type { HostRecord } from './host-record.js';
import type { Log } from './log.js';
import { messageOf } from './log.js';

/*
 * How fast this host may download: one limit for always, and one for the business hours of the installation. The hours are asked for at the
 * beginning of each download; while they are not known, every hour counts as one in which people work.
 */

export interface HoursOfWork extends BusinessHours {
  readonly timeZone: string;
}

export type Limits = Pick<HostRecord, 'maxRate' | 'maxRateInHours'>;

/** `hours` undefined: not known. */
export function rateAt({ maxRate = Infinity, maxRateInHours = Infinity }: Limits, hours?: HoursOfWork): RateAt {
  const inHours = Math.min(maxRate, maxRateInHours);
  return (at) => {
    const isWorkingTime = !hours || businessSpanAt(hours, localTimeAt(at, hours.timeZone)) !== undefined;
    return isWorkingTime ? inHours : maxRate;
  };
}

export function localTimeAt(at: number, timeZone: string): LocalTime {
  const parts = new Intl.DateTimeFormat('en-GB', {
    ...{ timeZone, hourCycle: 'h23', weekday: 'short', year: 'numeric' },
    ...{ month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit' },
  }).formatToParts(at);
  const part = (type: string): string => parts.find((p) => p.type === type)?.value ?? '';
  return {
    weekday: part('weekday').toLowerCase(),
    date: `${part('year')}-${part('month')}-${part('day')}`,
    time: `${part('hour')}:${part('minute')}`,
  };
}

/** Undefined when the catalog cannot be asked now. */
export async function askForHours(
  channel: Channel,
  { installation }: HostRecord,
  log: Log,
): Promise<HoursOfWork | undefined> {
  try {
    const catalog = createClient(catalogV1.CatalogServiceService, channel);
    const answer = await catalog.getInstallation({ name: formatName('installation', { installation }) });
    const { timeZone = '', businessHours = [], holidays = [] } = answer.installation ?? {};
    localTimeAt(0, timeZone); // Throws for a zone that this host does not know.
    return { timeZone, spans: businessHours, holidays };
  } catch (error) {
    log.warn('the business hours are not known; their limit holds all day', { message: messageOf(error) });
    return undefined;
  }
}
