import type { sessionV1 } from '@lastcall/contracts';
import { invalid, isRejected, type Rejected, type Violation } from '@lastcall/kernel';
import { nameOf, type RpcHandlers } from '@lastcall/runtime';
import { countedWeeks, QUARTERS_OF_WEEK, usageOf, type Usage } from './domain/history.js';
import type { Gates } from './gates.js';
import type { Histories } from './histories.js';
import { localQuarterAt, namesOfSlot, slotOf, WEEKDAYS } from './local-quarter.js';
import type { Presence } from './presence.js';
import { knownGate } from './rpc-gate.js';

/* How many users are usually logged in, for whoever chooses a time. */

export interface HistoryRpcParts {
  readonly gates: Gates;
  readonly histories: Histories;
  readonly presence: Presence;
}

type Handlers = Pick<RpcHandlers<typeof sessionV1.SessionServiceService>, 'getSessionHistory'>;

export function historyHandlers(parts: HistoryRpcParts): Handlers {
  return { getSessionHistory: (request) => getSessionHistory(parts, request) };
}

const WEEK: readonly number[] = Array.from({ length: QUARTERS_OF_WEEK }, (_, slot) => slot);

async function getSessionHistory(
  { gates, histories, presence }: HistoryRpcParts,
  { parent, quarterHours }: sessionV1.GetSessionHistoryRequest,
): Promise<sessionV1.GetSessionHistoryResponse | Rejected> {
  const parsed = nameOf('installation', parent, 'parent');
  const slots = slotsOf(quarterHours);
  const wrong = [...(isRejected(parsed) ? parsed.violations : []), ...slots.wrong];
  if (isRejected(parsed) || wrong.length > 0) return invalid(wrong);
  const record = await knownGate({ gates }, parsed.installation);
  if (isRejected(record)) return record;
  const timeZone = record.data.facts?.timeZone ?? 'UTC';
  const found = await histories.get(record.id);
  // What another zone's clock has counted is over with the next count.
  const history = found?.timeZone === timeZone ? found : { weeks: [] };
  const { monday } = localQuarterAt(presence.now(), timeZone);
  const usage = (slots.asked ?? WEEK).map((slot) => toWire(slot, usageOf(history, slot, monday)));
  return {
    usage: slots.asked ? usage : usage.filter(({ weeks }) => weeks > 0),
    weeks: countedWeeks(history, monday),
  };
}

function toWire(slot: number, usage: Usage): sessionV1.QuarterHourUsage {
  return { quarterHour: namesOfSlot(slot), ...usage };
}

/** `asked` is undefined when none are named: the whole week is meant. */
function slotsOf(asked: readonly sessionV1.QuarterHour[]): { asked?: readonly number[]; wrong: readonly Violation[] } {
  if (asked.length === 0) return { wrong: [] };
  if (asked.length > QUARTERS_OF_WEEK) {
    const description = `has ${asked.length} entries; a week has ${QUARTERS_OF_WEEK}`;
    return { wrong: [{ field: 'quarter_hours', description }] };
  }
  const slots = asked.map(slotOf);
  const wrong = asked.flatMap((given, i): Violation[] => {
    if (slots[i] !== undefined) return [];
    const named = JSON.stringify(`${given.weekday} ${given.time}`.slice(0, 80));
    const description = `is ${named}; allowed are ${WEEKDAYS.join(', ')} with HH:MM on a quarter hour, such as mon 08:15`;
    return [{ field: `quarter_hours[${i}]`, description }];
  });
  return { asked: slots.filter((slot) => slot !== undefined), wrong };
}
