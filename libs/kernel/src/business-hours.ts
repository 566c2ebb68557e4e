/*
 * When users are expected to work, on local calendar values. Zones are the shell's business; here a time is a weekday, a date and
 * a time of day.
 */

export interface LocalTime {
  /** `mon` … `sun`. */
  readonly weekday: string;
  /** `YYYY-MM-DD`. */
  readonly date: string;
  /** `HH:MM`. */
  readonly time: string;
}

export interface DaySpan {
  readonly weekday: string;
  /** `HH:MM`, inclusive. */
  readonly opens: string;
  /** `HH:MM`, exclusive. */
  readonly closes: string;
}

/** Dates, `YYYY-MM-DD`: a list of them, or a calendar that has more of them than a list could. */
export interface Dates {
  includes(date: string): boolean;
}

export interface BusinessHours {
  readonly spans: readonly DaySpan[];
  /** Without business hours. */
  readonly holidays: Dates;
}

/** The span that the time lies in, if any. */
export function businessSpanAt({ spans, holidays }: BusinessHours, at: LocalTime): DaySpan | undefined {
  if (holidays.includes(at.date)) return undefined;
  return spans.find((s) => s.weekday === at.weekday && s.opens <= at.time && at.time < s.closes);
}
