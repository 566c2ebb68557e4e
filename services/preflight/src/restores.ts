import { outgoing, type EventEnvelope } from '@lastcall/contracts';
import { failure, type Failure } from '@lastcall/kernel';
import { ofItsInstallation } from '@lastcall/runtime';
import type { Change, StepContext } from '@lastcall/store';
import { orderId, type Documents, type Progress, type RestoreDocument } from './documents.js';
import type { PreflightSettings } from './settings.js';
import { orderToWire } from './wire.js';

/*
 * Restores on demand: one order to one host, pending until it has answered or the time is up. A rollback of a run is the
 * installer's and does not pass here.
 */

const PATIENCE_MS = 30_000;

export interface RestoreDemand {
  readonly installation: string;
  readonly product: string;
  readonly restorePoint: string;
  readonly host: string;
}

export interface Restores {
  begin(restore: string, demand: RestoreDemand): Promise<void>;
  finish(restore: string, failed: Failure | undefined, envelope?: EventEnvelope): Promise<void>;
  giveUp(restore: string): Promise<void>;
  /** What the host is at. */
  hear(restore: string, progress: Progress, envelope: EventEnvelope): Promise<void>;
}

type Step = (current: RestoreDocument | undefined, context: StepContext) => Change<RestoreDocument, undefined>;

export function createRestores({ restores }: Documents, settings: PreflightSettings): Restores {
  const finish = async (restore: string, failed: Failure | undefined, envelope?: EventEnvelope): Promise<void> => {
    const step: Step = (current) => finished(current, failed);
    if (envelope) await restores.take(restore, envelope, ofItsInstallation(envelope, step));
    else await restores.change(restore, step);
  };
  return {
    begin: (restore, { installation, product, restorePoint, host }) =>
      restores.change(restore, (current, { now }) => {
        if (current) return { keep: undefined };
        const deadlineAt = now + settings.restoreTimeoutMs;
        const action = { $case: 'restoreBackup' as const, value: { product, restorePoint } };
        const order = orderToWire({ order: orderId(restore, host), installation, host, deadlineAt, action });
        return {
          write: {
            installation,
            restorePoint,
            host,
            state: 'pending',
            createdAt: now,
            dueAt: deadlineAt + PATIENCE_MS,
          },
          events: [outgoing('HostOrderIssued', installation, { order })],
          result: undefined,
        };
      }),
    finish,
    hear: async (restore, progress, envelope) => {
      const step: Step = (current) =>
        current?.state === 'pending' ? { write: { ...current, progress }, result: undefined } : { keep: undefined };
      await restores.take(restore, envelope, ofItsInstallation(envelope, step));
    },
    giveUp: (restore) =>
      finish(restore, failure('TIMED_OUT', 'the host did not say in time what came of the restore; look at it')),
  };
}

function finished(
  current: RestoreDocument | undefined,
  failed: Failure | undefined,
): Change<RestoreDocument, undefined> {
  if (current?.state !== 'pending') return { keep: undefined };
  const { dueAt: _due, progress: _progress, ...rest } = current;
  const write: RestoreDocument = failed ? { ...rest, state: 'failed', failure: failed } : { ...rest, state: 'done' };
  return { write, result: undefined };
}
