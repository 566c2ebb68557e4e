import { businessSpanAt, DAY_MS, HOUR_MS, MINUTE_MS, passesGate, type BusinessHours } from '@lastcall/kernel';
import { localDayOf, localTimeOf, resolveLocalTime } from './calendar.js';
import type { JobDefinition } from './domain/job.js';

/*
 * What speaks against a job's time, and better times. Backups disturb nobody, and a single seat is asked by itself: only updates
 * and maintenance windows of installations with many users get advice.
 */

export interface Caution {
  readonly caution: 'inside-business-hours' | 'users-logged-in';
  /** One sentence with the facts. */
  readonly text: string;
}

export interface Situation {
  readonly multiUser: boolean;
  readonly timeZone: string;
  readonly businessHours: BusinessHours;
  /** Users logged in now. */
  readonly sessions: number;
  readonly now: number;
}

/** `times`: when it is due, in milliseconds; several for a series. */
export function cautionsFor(
  definition: JobDefinition,
  times: readonly number[],
  situation: Situation,
): readonly Caution[] {
  const kind = situation.multiUser ? 'multi-user' : 'single-user';
  if (!passesGate({ type: definition.type, kind })) return [];
  const { timeZone, businessHours } = situation;
  const inside = times.find((at) => businessSpanAt(businessHours, localDayOf(at, timeZone)));
  return [
    ...(inside === undefined ? [] : businessHoursCaution(inside, situation)),
    ...(definition.start.kind === 'immediate' ? sessionsCaution(situation) : []),
  ];
}

function businessHoursCaution(at: number, { timeZone, businessHours }: Situation): readonly Caution[] {
  const span = businessSpanAt(businessHours, localDayOf(at, timeZone));
  if (!span) return [];
  const text =
    `${localTimeOf(at, timeZone).slice(0, 16)} (${timeZone}) is inside business hours ` +
    `(${span.weekday} ${span.opens}–${span.closes}); users will be logged off`;
  return [{ caution: 'inside-business-hours', text }];
}

function sessionsCaution({ sessions }: Situation): readonly Caution[] {
  if (sessions === 0) return [];
  const users = sessions === 1 ? '1 user is' : `${sessions} users are`;
  return [{ caution: 'users-logged-in', text: `${users} logged in and will be logged off after the reaction time` }];
}

export interface Suggestion {
  /** `YYYY-MM-DDTHH:MM`. */
  readonly localTime: string;
  readonly reason: string;
}

const SUGGESTIONS = 3;
const CLEAR_MS = 2 * HOUR_MS;
/** Evenings first, then nights, then early mornings. */
const HOURS_OF_DAY = ['22:00', '03:00', '05:00'];

/** The next times with two clear hours before and after business hours, one a day. */
export function suggestTimes({ timeZone, businessHours, now }: Situation): readonly Suggestion[] {
  const found: Suggestion[] = [];
  for (let day = 0; day < 14 && found.length < SUGGESTIONS; day++) {
    const { date } = localDayOf(now + day * DAY_MS, timeZone);
    const clear = HOURS_OF_DAY.map((time) => `${date}T${time}`).find((localTime) => {
      const { at, notes } = resolveLocalTime(`${localTime}:00`, timeZone);
      return at > now + 10 * MINUTE_MS && notes.length === 0 && isClear(at, timeZone, businessHours);
    });
    if (clear) found.push({ localTime: clear, reason: 'outside business hours, with two clear hours around it' });
  }
  return found;
}

function isClear(at: number, timeZone: string, businessHours: BusinessHours): boolean {
  for (let around = at - CLEAR_MS; around <= at + CLEAR_MS; around += 30 * MINUTE_MS) {
    if (businessSpanAt(businessHours, localDayOf(around, timeZone))) return false;
  }
  return true;
}
