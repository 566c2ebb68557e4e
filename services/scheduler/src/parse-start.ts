import type { schedulerV1 } from '@lastcall/contracts';
import { checkRange, collect, DAY_MS, MINUTE_MS, quoted, type Violation } from '@lastcall/kernel';
import { normalizeLocalTime } from './calendar.js';
import type { Start } from './domain/job.js';
import { normalizeSeries, seriesProblem } from './series.js';

/*
 * A start condition from the wire to the domain. Whether its times are still to come, and how long a window is on the clock, is known only with
 * the installation's zone.
 */

const KINDS = 'immediate, time, series and when-idle';
const IDLE_MINUTES = { min: 1, max: 240 } as const;
/** While a window is open somebody looks at the users again and again. */
const WINDOW_MAX_DAYS = 31;

export function parseStart(wire: schedulerV1.StartCondition | undefined): Start | readonly Violation[] {
  const condition = wire?.condition;
  if (!condition) return [{ field: 'job.start', description: `is missing; allowed are ${KINDS}` }];
  switch (condition.$case) {
    case 'immediate':
      return { kind: 'immediate' };
    case 'time': {
      const localTime = normalizeLocalTime(condition.value.localTime);
      if (localTime !== undefined) return { kind: 'time', localTime };
      return [noLocalTime('job.start.time.local_time', condition.value.localTime)];
    }
    case 'series': {
      const { cron } = condition.value;
      const problem = seriesProblem(cron);
      if (problem === undefined) return { kind: 'series', cron: normalizeSeries(cron) };
      return [{ field: 'job.start.series.cron', description: problem }];
    }
    case 'whenIdle':
      return parseIdle(condition.value);
  }
}

function parseIdle(wire: schedulerV1.IdleStart): Start | readonly Violation[] {
  const { idleMinutes } = wire;
  const field = 'job.start.when_idle';
  const { min, max } = IDLE_MINUTES;
  const windowOpens = normalizeLocalTime(wire.windowOpens);
  const windowCloses = normalizeLocalTime(wire.windowCloses);
  const wrong = collect(
    checkRange(`${field}.idle_minutes`, idleMinutes, min, max, 'minutes'),
    windowOpens === undefined ? noLocalTime(`${field}.window_opens`, wire.windowOpens) : undefined,
    windowCloses === undefined ? noLocalTime(`${field}.window_closes`, wire.windowCloses) : undefined,
  );
  if (windowOpens === undefined || windowCloses === undefined || wrong.length > 0) return wrong;
  const length = Date.parse(`${windowCloses}Z`) - Date.parse(`${windowOpens}Z`);
  const problem = windowProblem(length, idleMinutes);
  if (problem === undefined) return { kind: 'when-idle', idleMinutes, windowOpens, windowCloses };
  return [{ field: `${field}.window_closes`, description: problem }];
}

function windowProblem(lengthMs: number, idleMinutes: number): string | undefined {
  if (lengthMs <= 0) return 'the window closes before it opens; choose an end after its beginning';
  if (lengthMs > WINDOW_MAX_DAYS * DAY_MS) return `the window is longer than ${WINDOW_MAX_DAYS} days; close it earlier`;
  if (lengthMs >= idleMinutes * MINUTE_MS) return undefined;
  return `the window is shorter than the ${idleMinutes} min without anybody that it waits for; close it later`;
}

function noLocalTime(field: string, found: string): Violation {
  const description = `is ${quoted(found)}; a date and time of the years 2000 to 2999 is needed, such as 2026-11-28T22:00`;
  return { field, description };
}
