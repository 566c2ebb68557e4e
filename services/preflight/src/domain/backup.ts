import { assertNever, type Decider, type Failure } from '@lastcall/kernel';
import type { BackupFacts } from './facts.js';

/*
 * One restore point: a host is told to make it, and either it is there and proven, or it failed. Once one of the two is
 * said it stays said; a restore point of a cancelled run that was not begun is never begun.
 */

export type BackupState =
  | { readonly phase: 'none' }
  | { readonly phase: 'taking'; readonly host: string; readonly begunAt: number }
  /** `host` is empty when there was nothing to back up. */
  | { readonly phase: 'taken'; readonly host: string; readonly backup: BackupFacts }
  | { readonly phase: 'failed'; readonly host: string; readonly failure: Failure; readonly at: number }
  | { readonly phase: 'abandoned'; readonly at: number };

export type BackupCommand =
  | { readonly type: 'take'; readonly host: string; readonly at: number }
  /** The last one is good enough, or there is nothing to back up. */
  | { readonly type: 'accept'; readonly host: string; readonly backup: BackupFacts }
  | { readonly type: 'refuse'; readonly host: string; readonly failure: Failure; readonly at: number }
  | { readonly type: 'finish'; readonly backup: BackupFacts }
  | { readonly type: 'fail'; readonly failure: Failure; readonly at: number }
  | { readonly type: 'abandon'; readonly at: number };

export type BackupEvent =
  | { readonly type: 'begun'; readonly host: string; readonly at: number }
  | { readonly type: 'taken'; readonly host: string; readonly backup: BackupFacts }
  | { readonly type: 'failed'; readonly host: string; readonly failure: Failure; readonly at: number }
  | { readonly type: 'abandoned'; readonly at: number };

const NOT_PROVEN: Omit<Failure, 'host'> = {
  reason: 'BACKUP_NOT_PROVEN',
  message: 'the backup was made and could not be proven; without a proven one nothing is updated',
  facts: {},
};

function decide(state: BackupState, command: BackupCommand): readonly BackupEvent[] {
  switch (command.type) {
    case 'take':
      return state.phase === 'none' ? [{ type: 'begun', host: command.host, at: command.at }] : [];
    case 'accept':
      return state.phase === 'none' ? [{ type: 'taken', host: command.host, backup: command.backup }] : [];
    case 'refuse':
      if (state.phase !== 'none') return [];
      return [{ type: 'failed', host: command.host, failure: command.failure, at: command.at }];
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
    default:
      return assertNever(command);
  }
}

function evolve(_state: BackupState, event: BackupEvent): BackupState {
  switch (event.type) {
    case 'begun':
      return { phase: 'taking', host: event.host, begunAt: event.at };
    case 'taken':
      return { phase: 'taken', host: event.host, backup: event.backup };
    case 'failed':
      return { phase: 'failed', host: event.host, failure: event.failure, at: event.at };
    case 'abandoned':
      return { phase: 'abandoned', at: event.at };
    default:
      return assertNever(event);
  }
}

export const backup: Decider<BackupState, BackupCommand, BackupEvent> = { initial: { phase: 'none' }, decide, evolve };
