import type { schedulerV1 } from '@lastcall/contracts';
import { checkText, collect, DAY_MS, invalid, isRejected, LIMITS, quoted, type Violation } from '@lastcall/kernel';
import { nameOf, type RpcContext, type RpcHandlers } from '@lastcall/runtime';
import type { Store } from '@lastcall/store';
import { normalizeLocalTime, resolveLocalTime } from './calendar.js';
import type { Pauses } from './pauses.js';
import type { Catalog } from './spec.js';
import { pauseToWire } from './wire.js';

/*
 * Operators' edge: pauses of installations.
 */

export interface PauseParts {
  readonly store: Store;
  readonly catalog: Catalog;
  readonly pauses: Pauses;
}

type PauseHandlers = Pick<RpcHandlers<schedulerV1.SchedulerServiceService>, 'pauseJobs' | 'resumeJobs'>;

const MAX_DAYS = 366;

export function pauseHandlers(parts: PauseParts): PauseHandlers {
  return {
    pauseJobs: (request, context) => pauseJobs(parts, request, context),
    resumeJobs: async ({ parent }) => {
      const id = nameOf('installation', parent, 'parent');
      if (isRejected(id)) return id;
      // One that does not exist is refused by the catalog.
      await parts.catalog.place(id.installation);
      await parts.pauses.end(id.installation);
      return {};
    },
  };
}

async function pauseJobs(parts: PauseParts, request: schedulerV1.PauseJobsRequest, { principal }: RpcContext) {
  const id = nameOf('installation', request.parent, 'parent');
  if (isRejected(id)) return id;
  const { timeZone } = await parts.catalog.place(id.installation);
  const since = await parts.store.now();
  const endsAt = endOf(request.untilLocalTime, timeZone, since);
  const wrong = collect(
    checkText('reason', request.reason, { min: 1, max: LIMITS.textChars }),
    typeof endsAt === 'number' ? undefined : endsAt,
  );
  if (wrong.length > 0 || typeof endsAt !== 'number') return invalid(wrong);
  const pause = { reason: request.reason, by: principal?.subject ?? '', since, endsAt, timeZone };
  await parts.pauses.begin(id.installation, pause);
  return { pause: pauseToWire(pause) };
}

function endOf(text: string, timeZone: string, now: number): number | Violation {
  const field = 'until_local_time';
  const localTime = normalizeLocalTime(text);
  if (localTime === undefined) {
    return { field, description: `is ${quoted(text)}; a date and time is needed, such as 2027-01-02T06:00` };
  }
  const { at } = resolveLocalTime(localTime, timeZone);
  if (at > now && at <= now + MAX_DAYS * DAY_MS) return at;
  return { field, description: `is ${localTime} (${timeZone}); allowed is a time in the next ${MAX_DAYS} days` };
}
