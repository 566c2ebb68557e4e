import { assertNever, reject, type BackupMode, type Decider, type JobType, type Rejected } from '@lastcall/kernel';

/*
 * A job: created disabled, enabled by an explicit act, done after its only time. Owns when it may fire; which times are
 * in the past is told by the caller, who has the clock and the zone.
 */

export type Start =
  | { readonly kind: 'immediate' }
  /** Local date and time of the installation, `YYYY-MM-DDTHH:MM:SS`. */
  | { readonly kind: 'time'; readonly localTime: string };

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
}

export type JobState =
  | { readonly phase: 'none' }
  | { readonly phase: 'disabled'; readonly definition: JobDefinition; readonly revision: number }
  | {
      readonly phase: 'enabled';
      readonly definition: JobDefinition;
      readonly revision: number;
      readonly dueAt: number;
      /** Who enabled it; runs are opened in their name. */
      readonly enabledBy: string;
    }
  | { readonly phase: 'done'; readonly definition: JobDefinition; readonly revision: number };

export type JobCommand =
  | { readonly type: 'create'; readonly definition: JobDefinition }
  | { readonly type: 'edit'; readonly definition: JobDefinition }
  | { readonly type: 'enable'; readonly dueAt: number; readonly now: number; readonly by: string }
  | { readonly type: 'disable' }
  /** The due time was turned into a firing. */
  | { readonly type: 'advance'; readonly nominalAt: number };

export type JobEvent =
  | { readonly type: 'created'; readonly definition: JobDefinition }
  | { readonly type: 'edited'; readonly definition: JobDefinition; readonly harmless: boolean }
  | { readonly type: 'enabled'; readonly dueAt: number; readonly by: string }
  | { readonly type: 'disabled' }
  | { readonly type: 'finished' };

/** Edits of these do not change what is done or when: the job stays enabled. */
const HARMLESS: readonly (keyof JobDefinition)[] = ['title', 'remarks'];

export function isHarmless(before: JobDefinition, after: JobDefinition): boolean {
  const keys = Object.keys(after) as (keyof JobDefinition)[];
  return keys.every((key) => HARMLESS.includes(key) || JSON.stringify(before[key]) === JSON.stringify(after[key]));
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
      return state.phase === 'enabled' ? [{ type: 'disabled' }] : [];
    case 'advance':
      return state.phase === 'enabled' && state.dueAt === command.nominalAt ? [{ type: 'finished' }] : [];
    default:
      return assertNever(command);
  }
}

function enable(state: JobState, command: Extract<JobCommand, { type: 'enable' }>): readonly JobEvent[] | Rejected {
  if (state.phase === 'none') return notThere();
  if (state.phase === 'enabled') return [];
  if (state.definition.start.kind === 'time' && command.dueAt <= command.now) {
    const message = `${state.definition.start.localTime} is in the past; edit the job's time, or start it now: lastcall job start`;
    return reject('refused', 'TIME_IN_THE_PAST', message);
  }
  return [{ type: 'enabled', dueAt: command.dueAt, by: command.by }];
}

function evolve(state: JobState, event: JobEvent): JobState {
  if (event.type === 'created') return { phase: 'disabled', definition: event.definition, revision: 1 };
  if (state.phase === 'none') return state;
  const { definition, revision } = state;
  switch (event.type) {
    case 'edited':
      if (event.harmless) return { ...state, definition: event.definition };
      return { phase: 'disabled', definition: event.definition, revision: revision + 1 };
    case 'enabled':
      return { phase: 'enabled', definition, revision, dueAt: event.dueAt, enabledBy: event.by };
    case 'disabled':
      // Another revision: the same due time, enabled again later, is another firing.
      return { phase: 'disabled', definition, revision: revision + 1 };
    case 'finished':
      return { phase: 'done', definition, revision };
    default:
      return assertNever(event);
  }
}

export const job: Decider<JobState, JobCommand, JobEvent> = { initial: { phase: 'none' }, decide, evolve };
