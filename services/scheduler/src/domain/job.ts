import {
  assertNever,
  reject,
  type BackupMode,
  type Decider,
  type Downgrade,
  type JobType,
  type Rejected,
} from '@lastcall/kernel';
import type { IdleWatch } from './idle-watch.js';

/*
 * A job: created disabled, enabled by an explicit act, done after its only time. Owns when it may fire; which times are
 * in the past is told by the caller, who has the clock and the zone.
 */

export type Start =
  | { readonly kind: 'immediate' }
  /** Local date and time of the installation, `YYYY-MM-DDTHH:MM:SS`. */
  | { readonly kind: 'time'; readonly localTime: string }
  /** Five fields of cron over local times of the installation. */
  | { readonly kind: 'series'; readonly cron: string }
  /** Once nobody has been logged in for so many minutes, between two local dates and times of the installation. */
  | {
      readonly kind: 'when-idle';
      readonly idleMinutes: number;
      readonly windowOpens: string;
      readonly windowCloses: string;
    };

export interface JobDefinition {
  readonly title: string;
  readonly type: JobType;
  readonly start: Start;
  /** Empty: the newest that the installation may take when the job fires. */
  readonly version: string;
  /** Empty: the server. */
  readonly serviceHost: string;
  readonly maxRunTimeMs: number;
  /** Empty: none. */
  readonly followUpJob: string;
  readonly remarks: string;
  /** Undefined: the installation's. */
  readonly reactionTimeMs: number | undefined;
  readonly message: string;
  readonly backupMode: BackupMode;
  readonly runIfLateWithinMs: number;
  readonly holdsAllowed: boolean;
  /** Set: goes back to the older `version`. */
  readonly downgrade?: Downgrade;
  /** Local time of day `HH:MM`: the first one after the due time is the latest start, whatever `runIfLateWithinMs` says. */
  readonly latestStart?: string;
  /** Local time of day `HH:MM`: the first one after the due time ends the window into which a run has to fit. */
  readonly windowEnd?: string;
  /** Of a maintenance window: how long the gate stays shut once nobody is inside. */
  readonly closedForMs?: number;
  readonly labels?: Readonly<Record<string, string>>;
  /** Hosts that an update leaves out: they follow later. */
  readonly excludedHosts?: readonly string[];
  /** How often a run that failed before its install is tried again; absent: never. */
  readonly retries?: number;
  readonly retryPauseMs?: number;
  /** Of a run-command: id of an action of the installed release. */
  readonly command?: string;
  /** Hosts that it is run on; absent: all of its role. */
  readonly commandHosts?: readonly string[];
  /** Restore points of a data-backup that stay; absent: they count with all others of the installation. */
  readonly backupKeep?: number;
}

/** Somebody said that this due time is not to be run. */
export interface Skip {
  readonly at: number;
  readonly by: string;
}

export type JobState =
  /** Never created, or deleted: then with its last revision, so that a job of the same name does not repeat one. */
  | { readonly phase: 'none'; readonly revision?: number }
  | {
      readonly phase: 'disabled';
      readonly definition: JobDefinition;
      readonly revision: number;
      /** Why, when no person did it: told to whoever looks at the job, until it is edited or enabled again. */
      readonly because?: string;
    }
  | {
      /** For the approval of a second person. */
      readonly phase: 'waiting';
      readonly definition: JobDefinition;
      readonly revision: number;
      readonly askedBy: string;
      readonly askedAt: number;
    }
  | {
      readonly phase: 'enabled';
      readonly definition: JobDefinition;
      readonly revision: number;
      readonly dueAt: number;
      /** Who enabled it; runs are opened in their name. */
      readonly enabledBy: string;
      readonly approvedBy?: string;
      /** Due time of the last firing of a series since it was enabled. */
      readonly firedFor?: number;
      /** What has been seen of the users, by a job that waits for nobody to be logged in. */
      readonly watch?: IdleWatch;
      readonly skip?: Skip;
    }
  | {
      readonly phase: 'done';
      readonly definition: JobDefinition;
      readonly revision: number;
      readonly approvedBy?: string;
      /** Due time of its last firing. */
      readonly firedFor?: number;
    };

interface Enabling {
  readonly dueAt: number;
  /** The last time that it could start at, where that is not the due time. */
  readonly lastAt?: number;
  readonly now: number;
  readonly by: string;
}

export type JobCommand =
  | { readonly type: 'create'; readonly definition: JobDefinition }
  | { readonly type: 'edit'; readonly definition: JobDefinition }
  /** `needsApproval`: of a second person. */
  | ({ readonly type: 'enable'; readonly needsApproval?: boolean } & Enabling)
  | ({ readonly type: 'approve' } & Enabling)
  | { readonly type: 'reject'; readonly by: string; readonly reason: string }
  /** `because`: why, when no person does it. */
  | { readonly type: 'disable'; readonly because?: string }
  | { readonly type: 'delete' }
  | { readonly type: 'skip-next'; readonly by: string; readonly undo: boolean; readonly now: number }
  /** The due time was turned into a firing; `nextDueAt` is what a series comes to then, none when it is over. */
  | { readonly type: 'advance'; readonly nominalAt: number; readonly nextDueAt?: number }
  /** Somebody looked at the users at the due time `lookedFor`, and looks again at `nextAt`. */
  | { readonly type: 'look'; readonly lookedFor: number; readonly watch: IdleWatch; readonly nextAt: number }
  /** The run of this due time was postponed; `localTime` and `dueAt` say when it is tried again. */
  | {
      readonly type: 'postpone';
      readonly nominalAt: number;
      readonly localTime: string;
      readonly dueAt: number;
      readonly by: string;
    };

export type JobEvent =
  | { readonly type: 'created'; readonly definition: JobDefinition }
  | { readonly type: 'edited'; readonly definition: JobDefinition; readonly harmless: boolean }
  | { readonly type: 'enabled'; readonly dueAt: number; readonly by: string }
  | { readonly type: 'asked'; readonly by: string; readonly at: number }
  | { readonly type: 'approved'; readonly dueAt: number; readonly by: string }
  | { readonly type: 'rejected'; readonly by: string; readonly reason: string }
  | { readonly type: 'disabled'; readonly because?: string }
  | { readonly type: 'deleted' }
  | { readonly type: 'finished' }
  | { readonly type: 'advanced'; readonly dueAt: number }
  | { readonly type: 'skipped'; readonly skip: Skip }
  | { readonly type: 'unskipped' }
  | { readonly type: 'looked'; readonly watch: IdleWatch; readonly dueAt: number }
  | { readonly type: 'postponed'; readonly localTime: string; readonly dueAt: number; readonly by: string };

/** Edits of these do not change what is done or when: the job stays enabled. */
const HARMLESS: readonly (keyof JobDefinition)[] = ['title', 'remarks', 'labels'];

export function isHarmless(before: JobDefinition, after: JobDefinition): boolean {
  const keys = new Set([...Object.keys(before), ...Object.keys(after)] as (keyof JobDefinition)[]);
  return [...keys].every((key) => HARMLESS.includes(key) || JSON.stringify(before[key]) === JSON.stringify(after[key]));
}

const notThere = () => reject('not-found', 'NOT_FOUND', 'there is no such job');

function decide(state: JobState, command: JobCommand): readonly JobEvent[] | Rejected {
  switch (command.type) {
    case 'create':
      return state.phase === 'none'
        ? [{ type: 'created', definition: command.definition }]
        : reject('already-exists', 'ALREADY_EXISTS', 'a job of this name exists; choose another name');
    case 'edit':
      if (state.phase === 'none') return notThere();
      return [
        {
          type: 'edited',
          definition: command.definition,
          harmless: isHarmless(state.definition, command.definition),
        },
      ];
    case 'enable':
      return enable(state, command);
    case 'disable':
      if (state.phase === 'none') return notThere();
      return state.phase === 'enabled' || state.phase === 'waiting' ? [disabled(command.because)] : [];
    case 'approve':
    case 'reject':
      return answer(state, command);
    case 'delete':
      return state.phase === 'none' ? notThere() : [{ type: 'deleted' }];
    case 'skip-next':
      return skipNext(state, command);
    case 'advance':
      return advance(state, command);
    case 'look':
      return look(state, command);
    case 'postpone':
      return postpone(state, command);
    default:
      return assertNever(command);
  }
}

function disabled(because: string | undefined): JobEvent {
  return { type: 'disabled', ...(because !== undefined && { because }) };
}

/** `lastAt`: the last time that it could start at. */
export function isPast({ kind }: Start, lastAt: number, now: number): boolean {
  return (kind === 'time' || kind === 'when-idle') && lastAt <= now;
}

export function pastText(start: Start): string {
  const time = start.kind === 'time' ? start.localTime : start.kind === 'when-idle' ? start.windowCloses : 'its time';
  return `${time} is in the past; edit the job's time, or start it now: lastcall job start`;
}

function enable(state: JobState, command: Extract<JobCommand, { type: 'enable' }>): readonly JobEvent[] | Rejected {
  if (state.phase === 'none') return notThere();
  if (state.phase === 'enabled') return [];
  const { start } = state.definition;
  const { lastAt = command.dueAt, now } = command;
  if (isPast(start, lastAt, now)) return reject('refused', 'TIME_IN_THE_PAST', pastText(start));
  if (!command.needsApproval) return [{ type: 'enabled', dueAt: command.dueAt, by: command.by }];
  return state.phase === 'waiting' ? [] : [{ type: 'asked', by: command.by, at: now }];
}

/** Whoever asked may not agree, and may well think better of it. */
function answer(state: JobState, command: Extract<JobCommand, { type: 'approve' | 'reject' }>) {
  if (state.phase === 'none') return notThere();
  if (state.phase !== 'waiting') {
    const message = `the job does not wait for approval: it is ${state.phase}; ask for it: lastcall job enable`;
    return reject('refused', 'NOT_WAITING', message);
  }
  if (command.type === 'reject') return [{ type: 'rejected' as const, by: command.by, reason: command.reason }];
  if (command.by === state.askedBy) {
    const message = `${command.by} asked for it, so another person has to approve it`;
    return reject('refused', 'SAME_PERSON', message);
  }
  const { start } = state.definition;
  const { lastAt = command.dueAt, now } = command;
  if (isPast(start, lastAt, now)) return reject('refused', 'TIME_IN_THE_PAST', pastText(start));
  return [{ type: 'approved' as const, dueAt: command.dueAt, by: command.by }];
}

/** The time that is going to be skipped, if the job comes to it as it stands. */
export function skipOf(state: JobState): Skip | undefined {
  return state.phase === 'enabled' && state.skip?.at === state.dueAt ? state.skip : undefined;
}

function skipNext(state: JobState, { by, undo, now }: Extract<JobCommand, { type: 'skip-next' }>) {
  if (state.phase === 'none') return notThere();
  const kind = state.definition.start.kind;
  if (state.phase !== 'enabled' || kind === 'immediate' || kind === 'when-idle') {
    const why = state.phase === 'enabled' ? `its start is ${kind}` : `it is ${state.phase}`;
    return reject('refused', 'NO_NEXT_TIME', `the job has no next time that could be skipped: ${why}`);
  }
  if (state.dueAt <= now) {
    const message = 'its next time has come already; cancel the run instead: lastcall run cancel';
    return reject('refused', 'DUE_ALREADY', message);
  }
  if (undo === (skipOf(state) === undefined)) return [];
  return [undo ? { type: 'unskipped' as const } : { type: 'skipped' as const, skip: { at: state.dueAt, by } }];
}

function advance(state: JobState, command: Extract<JobCommand, { type: 'advance' }>): readonly JobEvent[] {
  const { nominalAt, nextDueAt } = command;
  if (state.phase !== 'enabled' || state.dueAt !== nominalAt) return [];
  const goesOn = state.definition.start.kind === 'series' && nextDueAt !== undefined && nextDueAt > nominalAt;
  return [goesOn ? { type: 'advanced', dueAt: nextDueAt } : { type: 'finished' }];
}

/** What was seen at another due time than the job's is old: another replica has looked since, or somebody has changed the job. */
function look(state: JobState, { lookedFor, watch, nextAt }: Extract<JobCommand, { type: 'look' }>): JobEvent[] {
  const isOwn = state.phase === 'enabled' && state.definition.start.kind === 'when-idle' && state.dueAt === lookedFor;
  return isOwn && nextAt > lookedFor ? [{ type: 'looked', watch, dueAt: nextAt }] : [];
}

/** Only the job's own time moves: a run that was started by hand, and a job that somebody has taken in hand since, stay. */
function postpone(state: JobState, command: Extract<JobCommand, { type: 'postpone' }>): readonly JobEvent[] {
  const { nominalAt, localTime, dueAt, by } = command;
  if (state.phase !== 'enabled' && state.phase !== 'done') return [];
  const isOwn = state.firedFor === nominalAt || (state.phase === 'enabled' && state.dueAt === nominalAt);
  if (!isOwn || dueAt <= nominalAt) return [];
  return [{ type: 'postponed', localTime, dueAt, by }];
}

function evolve(state: JobState, event: JobEvent): JobState {
  if (state.phase === 'none') {
    const revision = (state.revision ?? 0) + 1;
    return event.type === 'created' ? { phase: 'disabled', definition: event.definition, revision } : state;
  }
  const { definition, revision } = state;
  switch (event.type) {
    case 'created':
      return state;
    case 'edited':
      if (event.harmless) return { ...state, definition: event.definition };
      return { phase: 'disabled', definition: event.definition, revision: revision + 1 };
    case 'enabled':
      return { phase: 'enabled', definition, revision, dueAt: event.dueAt, enabledBy: event.by };
    case 'asked':
      return { phase: 'waiting', definition, revision, askedBy: event.by, askedAt: event.at };
    case 'approved':
      return state.phase === 'waiting' ? approved(state, event) : state;
    case 'rejected': {
      const because = `${event.by} rejected it: ${event.reason}`;
      return { phase: 'disabled', definition, revision: revision + 1, because };
    }
    case 'disabled':
      // Another revision: the same due time, enabled again later, is another firing.
      return {
        ...{ phase: 'disabled', definition, revision: revision + 1 },
        ...(event.because !== undefined && { because: event.because }),
      };
    case 'deleted':
      return { phase: 'none', revision };
    case 'finished':
      return {
        ...{ phase: 'done', definition, revision },
        ...(state.phase === 'enabled' && { firedFor: state.dueAt }),
        ...approvalOf(state),
      };
    case 'advanced':
      return state.phase === 'enabled' ? advanced(state, event.dueAt) : state;
    case 'skipped':
      return state.phase === 'enabled' ? { ...state, skip: event.skip } : state;
    case 'unskipped':
      return state.phase === 'enabled' ? withoutSkip(state) : state;
    case 'looked':
      return state.phase === 'enabled' ? { ...state, dueAt: event.dueAt, watch: event.watch } : state;
    case 'postponed': {
      const { localTime, dueAt, by } = event;
      if (definition.start.kind === 'series') return sooner(state, dueAt, by);
      const later: JobDefinition = { ...definition, start: { kind: 'time', localTime } };
      const next = { definition: later, revision: revision + 1, dueAt, enabledBy: by, ...approvalOf(state) };
      return { phase: 'enabled', ...next };
    }
    default:
      return assertNever(event);
  }
}

function approved(
  { definition, revision, askedBy }: Extract<JobState, { phase: 'waiting' }>,
  { dueAt, by }: Extract<JobEvent, { type: 'approved' }>,
): JobState {
  return { phase: 'enabled', definition, revision, dueAt, enabledBy: askedBy, approvedBy: by };
}

/** What was approved stays so until it is edited or disabled. */
export function approvalOf(state: JobState): { readonly approvedBy?: string } {
  const isSo = state.phase === 'enabled' || state.phase === 'done';
  return isSo && state.approvedBy !== undefined ? { approvedBy: state.approvedBy } : {};
}

type Enabled = Extract<JobState, { phase: 'enabled' }>;

function advanced(state: Enabled, dueAt: number): JobState {
  // The skipped time may be behind one more, which came of a postponement.
  const kept = state.skip && state.skip.at > state.dueAt ? state : withoutSkip(state);
  return { ...kept, dueAt, firedFor: state.dueAt };
}

function withoutSkip({ skip: _, ...rest }: Enabled): Enabled {
  return rest;
}

/** A series keeps its times, and has one more unless its next is as soon. */
function sooner(state: Exclude<JobState, { phase: 'none' }>, dueAt: number, by: string): JobState {
  const { definition, revision } = state;
  const regular = state.phase === 'enabled' && state.firedFor !== undefined ? state.dueAt : Infinity;
  const skip = state.phase === 'enabled' && state.skip && { skip: state.skip };
  return {
    phase: 'enabled',
    definition,
    revision,
    dueAt: Math.min(regular, dueAt),
    enabledBy: by,
    ...skip,
    ...approvalOf(state),
  };
}

export const job: Decider<JobState, JobCommand, JobEvent> = { initial: { phase: 'none' }, decide, evolve };
