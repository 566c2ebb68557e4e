import type { catalogV1, hostOrderV1 } from '@lastcall/contracts';
import { atToDate, failureFromWire, failureToWire, formatName, hostRole, preflightV1 } from '@lastcall/contracts';
import type { Failure, RunHost } from '@lastcall/kernel';
import type { BackupDocument, Progress, RehearsalOf, ReportDocument } from './documents.js';
import type { BackupFacts, BackupProof, Check, HostFacts, Override, Requirements, Verdict } from './domain/facts.js';
import { backupFromWire, factsFromWire } from './facts-from-wire.js';

/*
 * Between the wire and the domain. Facts, which nobody has to believe, have a place of their own.
 */

export function requirementsFromWire(wire: catalogV1.ReleaseRequirements): Requirements {
  return {
    version: wire.version,
    os: wire.os,
    cpuCount: wire.cpuCount,
    memoryBytes: Number(wire.memoryBytes),
    stageFreeBytes: Number(wire.stageFreeBytes),
    backupFreeBytes: Number(wire.backupFreeBytes),
    ports: wire.ports,
    agentVersion: wire.agentVersion,
    dataVersion: wire.dataVersion,
    antivirusFolders: wire.antivirus?.folders ?? [],
    antivirusFiles: wire.antivirus?.files ?? [],
    antivirusProcesses: wire.antivirus?.processes ?? [],
    treeBytes: Number(wire.treeBytes),
    changesData: wire.changesData,
    vendorChecks: wire.checks.flatMap(({ role, ...check }) => {
      const known = hostRole.fromWire(role);
      return known ? [{ ...check, role: known }] : [];
    }),
  };
}

const VERDICTS: Readonly<Record<Verdict, preflightV1.Verdict>> = {
  passed: preflightV1.Verdict.PASSED,
  failed: preflightV1.Verdict.FAILED,
  unknown: preflightV1.Verdict.UNKNOWN,
  skipped: preflightV1.Verdict.SKIPPED,
};

export function checkToWire({ override, ...check }: Check, installation: string): preflightV1.Check {
  return {
    ...check,
    verdict: VERDICTS[check.verdict],
    answeredAt: atToDate(check.answeredAt),
    override: override && overrideToWire(installation, override),
  };
}

export function overrideToWire(installation: string, override: Override): preflightV1.Override {
  return {
    name: formatName('override', { installation, override: override.override }),
    job: override.job,
    check: override.check,
    host: override.host,
    reason: override.reason,
    expireTime: atToDate(override.expiresAt),
    createdBy: override.createdBy,
    createTime: atToDate(override.createdAt),
    revokedBy: override.revokedBy ?? '',
    revokeTime: override.revokedAt === undefined ? undefined : atToDate(override.revokedAt),
  };
}

function rehearsalToWire({ job, startAt, why, requestedBy }: RehearsalOf): preflightV1.Rehearsal {
  return { job, startTime: startAt === undefined ? undefined : atToDate(startAt), why, requestedBy };
}

export function reportToWire(
  report: string,
  { installation, product, version, run, rehearsal, isLastLook, state, createdAt }: ReportDocument,
) {
  const decided = state.phase === 'decided' ? state : undefined;
  const finishedAt = state.phase === 'abandoned' ? state.at : decided?.decidedAt;
  const wire: preflightV1.Report = {
    name: formatName('report', { installation, report }),
    run: run?.run ?? '',
    product,
    version,
    verdict: decided ? VERDICTS[decided.verdict] : preflightV1.Verdict.UNSPECIFIED,
    checks: decided?.checks.map((check) => checkToWire(check, installation)) ?? [],
    createTime: atToDate(createdAt),
    finishTime: finishedAt === undefined ? undefined : atToDate(finishedAt),
    beforeBackup: isLastLook === true,
    rehearsal: rehearsal && rehearsalToWire(rehearsal),
  };
  return wire;
}

const NO_BACKUP: BackupFacts = { restorePoint: '', takenAt: 0, sizeBytes: 0, sha256: '', verified: false, version: '' };

function failureOf(state: BackupDocument['state']): Failure | undefined {
  if (state.phase === 'failed' || state.phase === 'damaged') return state.failure;
  if (state.phase !== 'abandoned') return undefined;
  return { reason: 'ABANDONED', message: 'the run was cancelled before the backup was taken', host: '', facts: {} };
}

/** `id` is the restore point that the document stands for; the backup may be an older one that was accepted. */
export function backupToWire(
  id: string,
  { installation, product, run, state, progress }: BackupDocument,
  protectedBy = '',
): preflightV1.Backup {
  const facts = 'backup' in state ? state.backup : { ...NO_BACKUP, restorePoint: id };
  const failure = failureOf(state);
  const verifyFailure = state.phase === 'taken' ? state.verifyFailure : undefined;
  return {
    name: facts.restorePoint === '' ? '' : formatName('backup', { installation, restore_point: facts.restorePoint }),
    restorePoint: facts.restorePoint,
    host: 'host' in state ? state.host : '',
    run: run?.run ?? '',
    product,
    version: facts.version,
    takenAt: facts.takenAt > 0 ? atToDate(facts.takenAt) : undefined,
    sizeBytes: BigInt(facts.sizeBytes),
    sha256: facts.sha256,
    verified: facts.verified,
    failure: failure && failureToWire(failure),
    pending: state.phase === 'taking',
    storedBytes: BigInt(facts.storedBytes ?? 0),
    keyId: facts.keyId ?? '',
    verifiedAt: facts.verifiedAt === undefined ? undefined : atToDate(facts.verifiedAt),
    folder: facts.folder ?? '',
    protectedBy,
    deleting: state.phase === 'deleting',
    deleteTime: state.phase === 'deleted' ? atToDate(state.at) : undefined,
    proof: state.phase === 'reported' ? proofToWire(state.proof) : undefined,
    ...progressToWire(progress),
    verifying: state.phase === 'taken' && state.verifyingSince !== undefined,
    verifyFailure: verifyFailure && failureToWire(verifyFailure),
  };
}

export function progressToWire(progress: Progress | undefined) {
  const { step, done, total } = progress ?? { step: '', done: 0, total: 0 };
  return { step, stepDone: BigInt(done), stepTotal: BigInt(total) };
}

function proofToWire({ evidence, reportedBy, reportedAt }: BackupProof): preflightV1.BackupProof {
  return { evidence: evidenceToWire(evidence), reportedBy, reportTime: atToDate(reportedAt) };
}

function evidenceToWire(evidence: BackupProof['evidence']): preflightV1.BackupProof['evidence'] {
  switch (evidence.kind) {
    case 'file': {
      const { path, sizeBytes, sha256 } = evidence;
      return { $case: 'file', value: { path, sizeBytes: BigInt(sizeBytes), sha256 } };
    }
    case 'sha256':
      return { $case: 'sha256', value: evidence.sha256 };
    case 'command':
      return { $case: 'command', value: { command: evidence.command, output: evidence.output } };
  }
}

/** What an order of the kind asked for came back with. */
export type OrderAnswer =
  | { readonly kind: 'facts'; readonly facts: HostFacts }
  | { readonly kind: 'backup'; readonly backup: BackupFacts }
  | { readonly kind: 'done' }
  | { readonly kind: 'failure'; readonly failure: Failure };

export function orderAnswer(order: hostOrderV1.HostOrder, result: hostOrderV1.OrderResult | undefined): OrderAnswer {
  if (result?.failure) return { kind: 'failure', failure: failureFromWire(result.failure) };
  const evidence = result?.evidence;
  if (evidence?.$case === 'facts') return { kind: 'facts', facts: factsFromWire(evidence.value) };
  if (evidence?.$case === 'backup') return { kind: 'backup', backup: backupFromWire(evidence.value) };
  if (order.action?.$case === 'restoreBackup' || order.action?.$case === 'deleteBackups') return { kind: 'done' };
  const message = `host ${order.host} finished the order without saying what came of it; update its agent`;
  return { kind: 'failure', failure: { reason: 'NO_EVIDENCE', message, host: order.host, facts: {} } };
}

export function orderToWire(order: {
  order: string;
  installation: string;
  host: string;
  run?: string;
  fence?: number;
  traceparent?: string | undefined;
  deadlineAt: number;
  action: NonNullable<hostOrderV1.HostOrder['action']>;
}): hostOrderV1.HostOrder {
  return {
    order: order.order,
    installation: order.installation,
    host: order.host,
    run: order.run ?? '',
    fence: order.fence ?? 0,
    deadline: atToDate(order.deadlineAt),
    issuedBy: 'preflight',
    traceparent: order.traceparent ?? '',
    action: order.action,
  };
}

export function hostsOf(installation: catalogV1.Installation, role: (wire: number) => RunHost['role'] | undefined) {
  return installation.hosts.flatMap((h): RunHost[] => {
    const known = role(h.role);
    return known ? [{ host: h.host, role: known, mayFollowLater: h.mayFollowLater }] : [];
  });
}
