import { assertNever, type Decider, type Failure } from '@lastcall/kernel';
import type { BackupFacts, BackupProof } from './facts.js';

/*
 * One restore point: a host is told to make it, and either it is there and proven, or it failed. What was taken can be looked at again, and goes when it is
 * not kept any longer; from the moment when that is decided it counts for nothing. A restore point of a cancelled run that was not begun is never begun. One that was
 * made by a tool of the customer's own is reported, and never touched.
 */

export type BackupState =
  | { readonly phase: 'none' }
  | { readonly phase: 'taking'; readonly host: string; readonly begunAt: number }
  /** `host` is empty when there was nothing to back up. */
  | {
      readonly phase: 'taken';
      readonly host: string;
      readonly backup: BackupFacts;
      /** Set while the host looks at it again. */
      readonly verifyingSince?: number;
      /** Why the last look has said nothing. */
      readonly verifyFailure?: Failure;
    }
  | { readonly phase: 'reported'; readonly backup: BackupFacts; readonly proof: BackupProof }
  /** It was looked at, and is not what it was. */
  | {
      readonly phase: 'damaged';
      readonly host: string;
      readonly backup: BackupFacts;
      readonly failure: Failure;
      readonly at: number;
    }
  | { readonly phase: 'deleting'; readonly host: string; readonly backup: BackupFacts; readonly begunAt: number }
  | { readonly phase: 'deleted'; readonly host: string; readonly backup: BackupFacts; readonly at: number }
  | { readonly phase: 'failed'; readonly host: string; readonly failure: Failure; readonly at: number }
  | { readonly phase: 'abandoned'; readonly at: number };

export type BackupCommand =
  | { readonly type: 'take'; readonly host: string; readonly at: number }
  /** The last one is good enough, or there is nothing to back up. */
  | { readonly type: 'accept'; readonly host: string; readonly backup: BackupFacts }
  | { readonly type: 'refuse'; readonly host: string; readonly failure: Failure; readonly at: number }
  | { readonly type: 'report'; readonly backup: BackupFacts; readonly proof: BackupProof }
  | { readonly type: 'finish'; readonly backup: BackupFacts }
  | { readonly type: 'fail'; readonly failure: Failure; readonly at: number }
  | { readonly type: 'abandon'; readonly at: number }
  | { readonly type: 'verify'; readonly at: number }
  | { readonly type: 'finish-verify'; readonly backup: BackupFacts }
  | { readonly type: 'fail-verify'; readonly failure: Failure; readonly at: number }
  | { readonly type: 'delete'; readonly at: number }
  | { readonly type: 'finish-delete'; readonly at: number }
  | { readonly type: 'fail-delete'; readonly failure: Failure };

export type BackupEvent =
  | { readonly type: 'begun'; readonly host: string; readonly at: number }
  | { readonly type: 'taken'; readonly host: string; readonly backup: BackupFacts }
  | { readonly type: 'reported'; readonly backup: BackupFacts; readonly proof: BackupProof }
  | { readonly type: 'failed'; readonly host: string; readonly failure: Failure; readonly at: number }
  | { readonly type: 'abandoned'; readonly at: number }
  | { readonly type: 'verify-begun'; readonly host: string; readonly at: number }
  | { readonly type: 'verified'; readonly backup: BackupFacts }
  | { readonly type: 'verify-failed'; readonly failure: Failure }
  | { readonly type: 'damaged'; readonly failure: Failure; readonly at: number }
  | { readonly type: 'delete-begun'; readonly host: string; readonly at: number }
  | { readonly type: 'deleted'; readonly at: number }
  | { readonly type: 'kept' };

const NOT_PROVEN: Omit<Failure, 'host'> = {
  reason: 'BACKUP_NOT_PROVEN',
  message: 'the backup was made and could not be proven; without a proven one nothing is updated',
  facts: {},
};

/** What says that the bytes are not good; anything else (no room, no key, no answer) says nothing about them. */
const SAYS_DAMAGED = ['BACKUP_CHANGED', 'BACKUP_NOT_FOUND', 'COMMAND_FAILED'];

function decide(state: BackupState, command: BackupCommand): readonly BackupEvent[] {
  switch (command.type) {
    case 'take':
      return state.phase === 'none' ? [{ type: 'begun', host: command.host, at: command.at }] : [];
    case 'accept':
      return state.phase === 'none' ? [{ type: 'taken', host: command.host, backup: command.backup }] : [];
    case 'refuse':
      if (state.phase !== 'none') return [];
      return [{ type: 'failed', host: command.host, failure: command.failure, at: command.at }];
    case 'report':
      return state.phase === 'none' ? [{ type: 'reported', backup: command.backup, proof: command.proof }] : [];
    case 'finish': {
      if (state.phase !== 'taking') return [];
      const { host } = state;
      if (command.backup.verified) return [{ type: 'taken', host, backup: command.backup }];
      return [{ type: 'failed', host, failure: { ...NOT_PROVEN, host }, at: command.backup.takenAt }];
    }
    case 'fail':
      if (state.phase !== 'taking') return [];
      return [{ type: 'failed', host: state.host, failure: command.failure, at: command.at }];
    case 'abandon':
      return state.phase === 'none' || state.phase === 'taking' ? [{ type: 'abandoned', at: command.at }] : [];
    case 'verify':
    case 'finish-verify':
    case 'fail-verify':
      return decideVerify(state, command);
    case 'delete':
    case 'finish-delete':
    case 'fail-delete':
      return decideDelete(state, command);
    default:
      return assertNever(command);
  }
}

type VerifyCommand = Extract<BackupCommand, { readonly type: 'verify' | 'finish-verify' | 'fail-verify' }>;

function decideVerify(state: BackupState, command: VerifyCommand): readonly BackupEvent[] {
  if (state.phase !== 'taken' || state.host === '') return [];
  const isVerifying = state.verifyingSince !== undefined;
  switch (command.type) {
    case 'verify':
      return isVerifying ? [] : [{ type: 'verify-begun', host: state.host, at: command.at }];
    case 'finish-verify':
      return isVerifying ? [{ type: 'verified', backup: command.backup }] : [];
    case 'fail-verify':
      if (!isVerifying) return [];
      if (!SAYS_DAMAGED.includes(command.failure.reason)) return [{ type: 'verify-failed', failure: command.failure }];
      return [{ type: 'damaged', failure: command.failure, at: command.at }];
    default:
      return assertNever(command);
  }
}

type DeleteCommand = Extract<BackupCommand, { readonly type: 'delete' | 'finish-delete' | 'fail-delete' }>;

/** One whose host did not answer stays as it is decided: it may be gone. It is asked again with the next one. */
function decideDelete(state: BackupState, command: DeleteCommand): readonly BackupEvent[] {
  switch (command.type) {
    case 'delete': {
      const isThere = state.phase === 'taken' || state.phase === 'damaged' || state.phase === 'deleting';
      return isThere && state.host !== '' ? [{ type: 'delete-begun', host: state.host, at: command.at }] : [];
    }
    case 'finish-delete':
      return state.phase === 'deleting' ? [{ type: 'deleted', at: command.at }] : [];
    case 'fail-delete':
      return state.phase === 'deleting' && command.failure.reason === 'BACKUP_IS_NEWEST' ? [{ type: 'kept' }] : [];
    default:
      return assertNever(command);
  }
}

function evolve(state: BackupState, event: BackupEvent): BackupState {
  switch (event.type) {
    case 'begun':
      return { phase: 'taking', host: event.host, begunAt: event.at };
    case 'taken':
      return { phase: 'taken', host: event.host, backup: event.backup };
    case 'reported':
      return { phase: 'reported', backup: event.backup, proof: event.proof };
    case 'failed':
      return { phase: 'failed', host: event.host, failure: event.failure, at: event.at };
    case 'abandoned':
      return { phase: 'abandoned', at: event.at };
    default:
      return 'backup' in state && 'host' in state ? evolveTaken(state, event) : state;
  }
}

type AfterTaken = Exclude<BackupEvent, { readonly type: 'begun' | 'taken' | 'reported' | 'failed' | 'abandoned' }>;

function evolveTaken({ host, backup }: { host: string; backup: BackupFacts }, event: AfterTaken): BackupState {
  switch (event.type) {
    case 'verify-begun':
      return { phase: 'taken', host, backup, verifyingSince: event.at };
    case 'verified':
      return { phase: 'taken', host, backup: event.backup };
    case 'verify-failed':
      return { phase: 'taken', host, backup, verifyFailure: event.failure };
    case 'damaged':
      return { phase: 'damaged', host, backup: { ...backup, verified: false }, failure: event.failure, at: event.at };
    case 'delete-begun':
      return { phase: 'deleting', host, backup, begunAt: event.at };
    case 'deleted':
      return { phase: 'deleted', host, backup, at: event.at };
    case 'kept':
      return { phase: 'taken', host, backup };
    default:
      return assertNever(event);
  }
}

export const backup: Decider<BackupState, BackupCommand, BackupEvent> = { initial: { phase: 'none' }, decide, evolve };
