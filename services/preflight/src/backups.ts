import { failureToWire, outgoing, runSpecToWire, type EventEnvelope, type OutgoingEvent } from '@lastcall/contracts';
import { failure, HOUR_MS, isRejected, run as runDecider, type Failure, type RunSpec } from '@lastcall/kernel';
import { ofItsInstallation } from '@lastcall/runtime';
import type { Change, StepContext } from '@lastcall/store';
import {
  newestProven,
  orderId,
  reportIdOf,
  restorePointOf,
  type BackupDocument,
  type Documents,
  type Progress,
} from './documents.js';
import { backup, type BackupCommand, type BackupEvent, type BackupState } from './domain/backup.js';
import { newestBackup, serverOf, type BackupBasis, type BackupFacts, type BackupProof } from './domain/facts.js';
import type { PreflightSettings } from './settings.js';
import { backupToWire, orderToWire } from './wire.js';

/*
 * Restore points: begins the backup of a run or one on demand, and says what came of it, in one write each.
 */

/** After the deadline of the order the installer says TIMED_OUT; only when even that does not come, preflight gives up by itself. */
const PATIENCE_MS = 30_000;

const NOTHING: BackupFacts = { restorePoint: '', takenAt: 0, sizeBytes: 0, sha256: '', verified: true, version: '' };

export interface Demand {
  readonly installation: string;
  readonly product: string;
  readonly host: string;
}

export interface Backups {
  /** Nobody is inside (or nobody ever is): the backup of this run, or why there will be none. */
  beginForRun(run: RunSpec, envelope?: EventEnvelope, refused?: Failure): Promise<void>;
  beginOnDemand(restorePoint: string, demand: Demand): Promise<BackupDocument>;
  apply(restorePoint: string, command: (at: number) => BackupCommand, envelope?: EventEnvelope): Promise<void>;
  abandon(run: RunSpec, envelope: EventEnvelope): Promise<void>;
  /** One that somebody else has made; a document of its own. */
  report(
    restorePoint: string,
    of: Omit<Demand, 'host'>,
    backup: BackupFacts,
    proof: BackupProof,
  ): Promise<BackupDocument>;
  /** What the host is at. */
  hear(restorePoint: string, progress: Progress, envelope: EventEnvelope): Promise<void>;
}

type Step<R> = (current: BackupDocument | undefined, context: StepContext) => Change<BackupDocument, R>;

export function createBackups(documents: Documents, settings: PreflightSettings): Backups {
  const { backups } = documents;
  const write = async (id: string, envelope: EventEnvelope | undefined, step: Step<undefined>): Promise<void> => {
    if (envelope) await backups.take(id, envelope, ofItsInstallation(envelope, step));
    else await backups.change(id, step);
  };
  return {
    beginForRun: async (run, envelope, refused) => {
      const basis = await basisOf(documents, run);
      await write(restorePointOf(run), envelope, (current, { now }) => {
        const document = current ?? freshForRun(run, now);
        const command = refused
          ? { type: 'refuse' as const, host: refused.host, failure: refused, at: now }
          : firstCommand(run, basis, now);
        return applied(restorePointOf(run), document, command, settings);
      });
    },
    beginOnDemand: (restorePoint, { installation, product, host }) =>
      backups.change(restorePoint, (current, { now }) => {
        const fresh: BackupDocument = { installation, product, state: backup.initial, createdAt: now };
        const change = applied(restorePoint, current ?? fresh, { type: 'take', host, at: now }, settings);
        return 'write' in change ? { ...change, result: change.write } : { keep: current ?? fresh };
      }),
    apply: (restorePoint, command, envelope) =>
      write(restorePoint, envelope, (current, { now }) =>
        current ? applied(restorePoint, current, command(now), settings) : { keep: undefined },
      ),
    report: (restorePoint, { installation, product }, reported, proof) =>
      backups.change(restorePoint, (current, { now }) => {
        const fresh: BackupDocument = { installation, product, state: backup.initial, createdAt: now };
        const change = applied(restorePoint, current ?? fresh, { type: 'report', backup: reported, proof }, settings);
        return 'write' in change ? { ...change, result: change.write } : { keep: current ?? fresh };
      }),
    hear: (restorePoint, progress, envelope) =>
      write(restorePoint, envelope, (current) =>
        current && isAtWork(current.state)
          ? { write: { ...current, progress }, result: undefined }
          : { keep: undefined },
      ),
    abandon: (run, envelope) =>
      write(restorePointOf(run), envelope, (current, { now }) =>
        applied(restorePointOf(run), current ?? freshForRun(run, now), { type: 'abandon', at: now }, settings),
      ),
  };
}

function freshForRun(run: RunSpec, now: number): BackupDocument {
  return { installation: run.installation, product: run.product, run, state: backup.initial, createdAt: now };
}

/** What the checks of this run found about backups, with what has been taken since. */
async function basisOf(documents: Documents, run: RunSpec): Promise<BackupBasis> {
  const report = await documents.reports.get(reportIdOf(run.run));
  const state = report?.data.state;
  const checked = state?.phase === 'decided' ? state.backup : { needless: false, changesData: true, newest: undefined };
  const newest = newestBackup([checked.newest, await newestProven(documents, run.installation)]);
  return { ...checked, newest };
}

function firstCommand(run: RunSpec, basis: BackupBasis, at: number): BackupCommand {
  const holder = serverOf(run.hosts) ?? run.hosts[0];
  if (run.backupMode === 'made-elsewhere') return elsewhere(run, basis, at);
  if (basis.needless) return { type: 'accept', host: '', backup: NOTHING };
  if (holder) return { type: 'take', host: holder.host, at };
  return { type: 'refuse', host: '', failure: failure('NO_HOST', 'the installation has no host that holds data'), at };
}

function elsewhere(run: RunSpec, { newest, changesData }: BackupBasis, at: number): BackupCommand {
  if (newest && at - newest.takenAt <= run.backupMaxAgeMs) {
    // An update that changes no data must never bring older data back.
    return { type: 'accept', host: '', backup: changesData ? newest : { ...newest, restorePoint: '' } };
  }
  const hours = Math.round(run.backupMaxAgeMs / HOUR_MS);
  const found = newest ? `the newest is of ${new Date(newest.takenAt).toISOString()}` : 'none is known';
  const message = `no proven backup is at most ${hours} hours old (${found}); take one with: lastcall backup take`;
  return { type: 'refuse', host: '', failure: failure('BACKUP_TOO_OLD', message), at };
}

function applied(
  restorePoint: string,
  current: BackupDocument,
  command: BackupCommand,
  settings: PreflightSettings,
): Change<BackupDocument, undefined> {
  const decision = runDecider(backup, current.state, command);
  if (isRejected(decision) || decision.events.length === 0) return { keep: undefined };
  const { dueAt: _due, progress: _progress, ...rest } = current;
  const { state } = decision;
  const begunAt = beganAt(state);
  const next: BackupDocument =
    begunAt === undefined
      ? { ...rest, state }
      : { ...rest, state, dueAt: orderDeadline(current, state, begunAt, settings) + PATIENCE_MS };
  const events = decision.events.flatMap((event) => eventsFor(restorePoint, next, event, settings));
  return { write: next, events, result: undefined };
}

/** When the host was told something that has not been answered. */
function beganAt(state: BackupState): number | undefined {
  if (state.phase === 'taken') return state.verifyingSince;
  return state.phase === 'taking' || state.phase === 'deleting' ? state.begunAt : undefined;
}

function isAtWork(state: BackupState): boolean {
  return beganAt(state) !== undefined;
}

function orderDeadline(
  { run }: BackupDocument,
  state: BackupState,
  begunAt: number,
  settings: PreflightSettings,
): number {
  const own = begunAt + settings.backupTimeoutMs;
  return run && state.phase === 'taking' ? Math.min(own, run.deadlineAt) : own;
}

/** What the host is told. Only taking is the run's: what comes later has no fence. */
function orderFor(
  restorePoint: string,
  document: BackupDocument,
  event: BackupEvent,
  settings: PreflightSettings,
): OutgoingEvent | undefined {
  const { installation, product, run, state } = document;
  if (event.type !== 'begun' && event.type !== 'verify-begun' && event.type !== 'delete-begun') return undefined;
  const { host, at } = event;
  const common = { installation, host, deadlineAt: orderDeadline(document, state, at, settings) };
  // The same thing may be asked for again: each time is an order of its own.
  const again = `${orderId(restorePoint, host)}.${at}`;
  const order = {
    begun: () => ({
      order: orderId(restorePoint, host),
      ...(run ? { run: run.run, fence: run.fence, traceparent: run.traceparent } : {}),
      action: { $case: 'takeBackup' as const, value: { product, restorePoint } },
    }),
    'verify-begun': () => ({
      order: again,
      action: { $case: 'verifyBackup' as const, value: { product, restorePoint } },
    }),
    'delete-begun': () => ({
      order: again,
      action: { $case: 'deleteBackups' as const, value: { product, restorePoints: [restorePoint] } },
    }),
  }[event.type]();
  return outgoing('HostOrderIssued', installation, { order: orderToWire({ ...common, ...order }) });
}

function eventsFor(
  restorePoint: string,
  document: BackupDocument,
  event: BackupEvent,
  settings: PreflightSettings,
): OutgoingEvent[] {
  const { installation, run } = document;
  const told = orderFor(restorePoint, document, event, settings);
  if (told) return [told];
  if (!run || (event.type !== 'taken' && event.type !== 'failed')) return [];
  const wire = runSpecToWire(run);
  return event.type === 'taken'
    ? [outgoing('BackupTaken', installation, { run: wire, backup: backupToWire(restorePoint, document) })]
    : [outgoing('BackupFailed', installation, { run: wire, failure: failureToWire(event.failure) })];
}
