import { atToDate, jobType, outgoing, type OutgoingEvent } from '@lastcall/contracts';
import { isRejected, run as runDecider, type Rejected } from '@lastcall/kernel';
import type { Change } from '@lastcall/store';
import type { JobDocument } from './documents.js';
import {
  announcementAfter,
  announcementAfterFate,
  isSameAnnouncement,
  type Announcement,
  type AnnouncementEnd,
} from './domain/announcement.js';
import { job as machine, type JobCommand } from './domain/job.js';

/*
 * A change of a job as one write: its state, what is announced of it, and RunPlanned where that is something else than before.
 */

type Result = Rejected | undefined;

export function jobChange(current: JobDocument, command: JobCommand): Change<JobDocument, Result> {
  const decision = runDecider(machine, current.state, command);
  if (isRejected(decision)) return { keep: decision };
  if (decision.events.length === 0) return { keep: undefined };
  const announced = announcementAfter(current.announced, current.state, decision.state, current.kind);
  return written({ ...current, state: decision.state }, announced, 'cancelled');
}

/** The firing of this due time has its fate. */
export function fateChange(
  current: JobDocument | undefined,
  nominalAt: number,
  end: AnnouncementEnd,
): Change<JobDocument, Result> {
  if (!current) return { keep: undefined };
  const announced = announcementAfterFate(current.announced, nominalAt, current.state);
  if (isSameAnnouncement(announced, current.announced)) return { keep: undefined };
  return written(current, announced, end);
}

/** `current.announced` is what was announced before. */
function written(
  current: JobDocument,
  announced: Announcement | undefined,
  end: AnnouncementEnd,
): Change<JobDocument, Result> {
  const { announced: before, ...rest } = current;
  const write = { ...rest, ...(announced && { announced }) };
  const events = isSameAnnouncement(before, announced) ? [] : [planned(current, announced, end)];
  return { write, events, result: undefined };
}

function planned(
  { installation, job, product, state }: JobDocument,
  announced: Announcement | undefined,
  end: AnnouncementEnd,
): OutgoingEvent {
  const { startAt, version = '', message = '' } = announced ?? {};
  return outgoing('RunPlanned', installation, {
    ...{ installation, job, product, version, message },
    startTime: startAt === undefined ? undefined : atToDate(startAt),
    end: announced ? '' : end,
    type: state.phase === 'none' ? 0 : jobType.toWire(state.definition.type),
    requestedBy: announced && state.phase === 'enabled' ? state.enabledBy : '',
  });
}
