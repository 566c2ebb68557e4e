import { jobType, parseRunSpec, Poison, type EventEnvelope, type EventMessage } from '@lastcall/contracts';
import { failure, passesGate, type RunSpec } from '@lastcall/kernel';
import type { EventHandlers } from '@lastcall/runtime';
import type { Backups } from './backups.js';
import { documentOfOrder, lastLookIdOf, newestProven, provenBackup, reportIdOf, type Documents } from './documents.js';
import type { BackupCommand } from './domain/backup.js';
import type { Occasion } from './domain/facts.js';
import { keepAddresses, serverAddresses } from './addresses.js';
import { standingOverrides } from './overrides.js';
import type { Rehearsals } from './rehearsals.js';
import type { Reports } from './reports.js';
import type { Restores } from './restores.js';
import type { Rotation } from './rotation.js';
import { orderAnswer, requirementsFromWire, type OrderAnswer } from './wire.js';

/*
 * What preflight takes in. Each handler leads to one write on one document and may be called again with the same event.
 */

export interface Parts {
  readonly documents: Documents;
  readonly reports: Reports;
  readonly backups: Backups;
  readonly restores: Restores;
  readonly rehearsals: Rehearsals;
  readonly rotation: Rotation;
  /** A report may have been decided: looks after what follows from it now. */
  wakeReports(): void;
}

export function createHandlers(parts: Parts): EventHandlers {
  const { reports, backups } = parts;
  return {
    RunPlanned: async (message, envelope) => {
      const type = jobType.fromWire(message.type);
      // Only an update and a backup have something to rehearse; older schedulers do not say what it is.
      if (type !== 'maintenance-window' && type !== 'run-command') await parts.rehearsals.hear(message, envelope);
    },
    RunStarted: async (message, envelope) => {
      const run = parseRunSpec(message.run);
      if (!isChecked(run)) return;
      const occasion = await occasionOf(parts.documents, run, message);
      await reports.begin(reportIdOf(run.run), { run, version: run.toVersion, occasion }, envelope);
      parts.wakeReports();
    },
    RunCancelled: async (message, envelope) => {
      const run = parseRunSpec(message.run);
      if (!isChecked(run)) return;
      await reports.abandon(reportIdOf(run.run), run, envelope);
      await reports.apply(lastLookIdOf(run.run), (at) => ({ type: 'abandon', at }), envelope);
      await backups.abandon(run, envelope);
    },
    SessionsDrained: (message, envelope) => lookOnceMore(parts, parseRunSpec(message.run), envelope),
    StagingCompleted: async (message, envelope) => {
      const run = parseRunSpec(message.run);
      if (!passesGate(run)) await lookOnceMore(parts, run, envelope);
    },
    RunFinished: async (message) => parts.rotation.ask(parseRunSpec(message.run).installation),
    HostOrderProgressed: (message, envelope) => orderProgressed(parts, message, envelope),
    HostOrderCompleted: (message, envelope) => orderCompleted(parts, message, envelope),
  };
}

/** A maintenance window concerns no host: there is nothing to check or to back up. */
function isChecked({ type }: RunSpec): boolean {
  return type !== 'maintenance-window';
}

async function occasionOf(
  documents: Documents,
  run: RunSpec,
  { requirements }: EventMessage<'RunStarted'>,
): Promise<Occasion> {
  if (run.type === 'software-update' && !requirements) throw new Poison('RunStarted of an update has no requirements');
  const dataFrom = run.downgrade?.dataFrom ?? '';
  const demands = run.type === 'software-update' && requirements ? requirementsFromWire(requirements) : undefined;
  return {
    installation: run.installation,
    product: run.product,
    fromVersion: run.fromVersion,
    // What brings data back changes it, whatever the release itself would do.
    requirements: demands && { ...demands, changesData: demands.changesData || dataFrom !== '' },
    ...(dataFrom !== '' && {
      dataFrom: { restorePoint: dataFrom, backup: await provenBackup(documents, run.installation, dataFrom) },
    }),
    hosts: run.hosts,
    ...(run.type === 'run-command' && { isCommand: true }),
    backupMode: run.backupMode,
    backupMaxAgeMs: run.backupMaxAgeMs,
    knownBackup: await newestProven(documents, run.installation),
    overrides: await standingOverrides(documents, run, run.startedAt),
    ...(await serverAddresses(documents, run.installation, run.hosts)),
  };
}

/**
 * Nobody is inside and every host has staged: the hosts that have to take part are asked once more, and the backup follows when
 * nothing speaks against it (ADR 28). What may follow later is the installer's to leave out.
 */
async function lookOnceMore(parts: Parts, run: RunSpec, envelope: EventEnvelope): Promise<void> {
  const first = (await parts.documents.reports.get(reportIdOf(run.run)))?.data.state;
  // A report that a service of a version before has forgotten.
  if (first?.phase !== 'decided') return parts.backups.beginForRun(run, envelope);
  const occasion: Occasion = {
    ...first.occasion,
    hosts: first.occasion.hosts.filter((h) => !h.mayFollowLater),
    isLastLook: true,
    ...(await serverAddresses(parts.documents, run.installation, run.hosts)),
    overrides: await standingOverrides(parts.documents, run, envelope.time),
  };
  await parts.reports.begin(
    lastLookIdOf(run.run),
    { run, isLastLook: true, version: run.toVersion, occasion },
    envelope,
  );
  parts.wakeReports();
}

async function orderCompleted(
  parts: Parts,
  { order, result }: EventMessage<'HostOrderCompleted'>,
  envelope: EventEnvelope,
): Promise<void> {
  if (order?.issuedBy !== 'preflight') return;
  const document = documentOfOrder(order.order);
  const answer = orderAnswer(order, result);
  const failed = answer.kind === 'failure' ? answer.failure : undefined;
  switch (order.action?.$case) {
    case 'collectFacts':
      if (answer.kind !== 'facts' && answer.kind !== 'failure') return;
      if (answer.kind === 'facts') await keepAddresses(parts.documents, order, answer.facts);
      await parts.reports.apply(
        document,
        (at) => ({ type: 'answer', host: order.host, answer: { ...answer, at } }),
        envelope,
      );
      parts.wakeReports();
      return;
    case 'takeBackup':
      if (answer.kind === 'backup') {
        await parts.backups.apply(document, () => ({ type: 'finish', backup: answer.backup }), envelope);
        await parts.rotation.ask(order.installation);
      } else if (failed) {
        await parts.backups.apply(document, (at) => ({ type: 'fail', failure: failed, at }), envelope);
      }
      return;
    case 'verifyBackup':
      await parts.backups.apply(document, (at) => afterVerify(answer, at), envelope);
      return;
    case 'deleteBackups':
      await parts.backups.apply(
        document,
        (at) => (failed ? { type: 'fail-delete', failure: failed } : { type: 'finish-delete', at }),
        envelope,
      );
      return;
    case 'restoreBackup':
      await parts.restores.finish(document, failed, envelope);
      return;
    default:
      // An action of a newer version of this service; its own document is not here.
      return;
  }
}

function afterVerify(answer: OrderAnswer, at: number): BackupCommand {
  if (answer.kind === 'backup') return { type: 'finish-verify', backup: answer.backup };
  const nothing = failure('NO_EVIDENCE', 'the host did not say what came of it; update its agent');
  return { type: 'fail-verify', failure: answer.kind === 'failure' ? answer.failure : nothing, at };
}

/** Of orders that take their time; facts do not. */
async function orderProgressed(
  { backups, restores }: Parts,
  { order, progress }: EventMessage<'HostOrderProgressed'>,
  envelope: EventEnvelope,
): Promise<void> {
  if (order?.issuedBy !== 'preflight' || !progress) return;
  const { step, done, total } = progress;
  const said = { step, done: Number(done), total: Number(total) };
  const document = documentOfOrder(order.order);
  if (order.action?.$case === 'restoreBackup') return restores.hear(document, said, envelope);
  if (order.action?.$case === 'takeBackup' || order.action?.$case === 'verifyBackup')
    return backups.hear(document, said, envelope);
}
