import { atToDate, sessionV1 } from '@lastcall/contracts';
import { checkId, invalid, isRejected, type Rejected } from '@lastcall/kernel';
import { nameOf, pageOf, type RpcHandlers } from '@lastcall/runtime';
import type { Attendance, Departure } from './domain/attendance.js';
import type { Gates } from './gates.js';
import { knownGate } from './rpc-gate.js';
import type { Sheets } from './sheets.js';

/* What became of each user of a run's logoff, for its report. */

export interface AttendanceParts {
  readonly gates: Gates;
  readonly sheets: Sheets;
}

type Handlers = Pick<RpcHandlers<typeof sessionV1.SessionServiceService>, 'listAttendance'>;

export function attendanceHandlers(parts: AttendanceParts): Handlers {
  return { listAttendance: (request) => listAttendance(parts, request) };
}

const SESSION = /^s-[a-z2-7]{16}$/;

async function listAttendance(
  parts: AttendanceParts,
  request: sessionV1.ListAttendanceRequest,
): Promise<sessionV1.ListAttendanceResponse | Rejected> {
  const parsed = nameOf('installation', request.parent, 'parent');
  if (isRejected(parsed)) return parsed;
  const page = pageOf(request);
  if (isRejected(page)) return page;
  const wrong = checkId('run', request.run);
  if (wrong) return invalid([wrong]);
  const { limit, pageToken: after = '' } = page;
  if (after !== '' && !SESSION.test(after)) {
    return invalid([{ field: 'page_token', description: 'is not one of this list; begin without one' }]);
  }
  const record = await knownGate(parts, parsed.installation);
  if (isRejected(record)) return record;
  const rest = (await parts.sheets.attendance(record.id, request.run)).filter(({ session }) => session > after);
  const items = rest.slice(0, limit);
  const last = rest.length > limit ? items.at(-1) : undefined;
  return { attendance: items.map(attendanceToWire), nextPageToken: last?.session ?? '' };
}

const DEPARTURES: Readonly<Record<Departure, sessionV1.Departure>> = {
  left: sessionV1.Departure.LEFT,
  ready: sessionV1.Departure.READY,
  deadline: sessionV1.Departure.DEADLINE,
  lost: sessionV1.Departure.LOST,
};

function attendanceToWire(attendance: Attendance): sessionV1.Attendance {
  const { session, user = '', displayName = '', host = '', departure } = attendance;
  const { sentAt, receivedAt, readAt, readyAt, endAt } = attendance;
  return {
    session,
    user,
    displayName,
    host,
    sentTime: date(sentAt),
    receivedTime: date(receivedAt),
    readTime: date(readAt),
    readyTime: date(readyAt),
    departure: departure ? DEPARTURES[departure] : sessionV1.Departure.UNSPECIFIED,
    endTime: date(endAt),
  };
}

function date(at: number | undefined): Date | undefined {
  return at === undefined ? undefined : atToDate(at);
}
