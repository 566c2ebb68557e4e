import { assertNever, passesGate, type InstallationKind } from '@lastcall/kernel';
import { skipOf, type JobDefinition, type JobState } from './job.js';

/*
 * What the users of an installation are to know of a job: when it will log them off. A job announces its time while it is enabled
 * and until its firing has its fate; a job that starts at once, or when nobody is there, has nothing to announce, and backups disturb nobody.
 */

export interface Announcement {
  readonly startAt: number;
  /** Empty: the newest at that time. */
  readonly version: string;
  /** Empty: the texts of the installation. */
  readonly message: string;
}

/** Why something that was announced is not going to come any more. */
export type AnnouncementEnd = 'cancelled' | 'started';

/** What is to be announced after a change of the job. */
export function announcementAfter(
  announced: Announcement | undefined,
  before: JobState,
  after: JobState,
  kind: InstallationKind | undefined,
): Announcement | undefined {
  switch (after.phase) {
    case 'enabled':
      // A series has gone on, and the firing before has no fate yet.
      if (announced && after.firedFor === announced.startAt) return announced;
      return announces(after, kind) ? announcementOf(after.definition, after.dueAt) : undefined;
    case 'done':
      // The firing has no fate yet.
      return announced;
    case 'disabled':
    case 'waiting':
      // A job that is edited after it fired does not take its firing back.
      return before.phase === 'enabled' ? undefined : announced;
    case 'none':
      return undefined;
    default:
      return assertNever(after);
  }
}

/** What is left to announce when the firing of a due time has its fate. */
export function announcementAfterFate(
  announced: Announcement | undefined,
  nominalAt: number,
  state: JobState,
): Announcement | undefined {
  if (announced?.startAt !== nominalAt) return announced;
  const goesOn = state.phase === 'enabled' && state.firedFor === nominalAt;
  return goesOn && !skipOf(state) ? announcementOf(state.definition, state.dueAt) : undefined;
}

function announces(state: Extract<JobState, { phase: 'enabled' }>, kind: InstallationKind | undefined): boolean {
  const { type, start } = state.definition;
  if (skipOf(state)) return false;
  return kind !== undefined && passesGate({ type, kind }) && (start.kind === 'time' || start.kind === 'series');
}

function announcementOf({ version, message }: JobDefinition, startAt: number): Announcement {
  return { startAt, version, message };
}

export function isSameAnnouncement(a: Announcement | undefined, b: Announcement | undefined): boolean {
  return a?.startAt === b?.startAt && a?.version === b?.version && a?.message === b?.message;
}
