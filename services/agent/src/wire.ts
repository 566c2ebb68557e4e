import type { hostOrderV1 } from '@lastcall/contracts';
import { atToDate, checkVersion, failureToWire } from '@lastcall/contracts';
import { checkId, collect, DAY_MS, type Violation } from '@lastcall/kernel';
import type { BackupEvidence, Evidence, HostFacts, Order, OrderAction, OrderResult } from './domain/order.js';

/*
 * Orders from the wire, results to it. An order that cannot be read is a value too: it has to be answered.
 */

const RESTORE_POINT = /^[a-z0-9][a-z0-9.-]{0,127}$/;

export function orderFromWire(wire: hostOrderV1.HostOrder): Order {
  return {
    order: wire.order,
    installation: wire.installation,
    host: wire.host,
    run: wire.run,
    ...(wire.traceparent !== '' && { traceparent: wire.traceparent }),
    fence: wire.fence,
    deadlineAt: wire.deadline?.getTime() ?? 0,
    action: actionFromWire(wire.action),
  };
}

function actionFromWire(wire: hostOrderV1.HostOrder['action']): OrderAction {
  const action = wire && usableAction(wire);
  if (!action) {
    const message = 'this agent does not know what the order asks for; update the agent';
    return { kind: 'unusable', reason: 'UNKNOWN_ACTION', message };
  }
  const problems = checkAction(action);
  if (problems.length === 0) return action;
  const message = problems.map((p) => `${p.field} ${p.description}`).join('; ');
  return { kind: 'unusable', reason: 'INVALID_ORDER', message };
}

function usableAction(wire: NonNullable<hostOrderV1.HostOrder['action']>): OrderAction | undefined {
  switch (wire.$case) {
    case 'collectFacts':
      return { kind: 'collect-facts', ...wire.value };
    case 'stageRelease':
      return { kind: 'stage-release', ...wire.value };
    case 'takeBackup':
      return { kind: 'take-backup', ...wire.value };
    case 'installRelease':
      return { kind: 'install-release', ...wire.value };
    case 'downgradeRelease':
      return { kind: 'downgrade-release', ...wire.value };
    case 'rollBackRelease':
      return { kind: 'roll-back-release', ...wire.value };
    case 'watchHealth':
      return { kind: 'watch-health', ...wire.value };
    case 'startClientOnce':
      return { kind: 'start-client-once', ...wire.value };
    case 'restoreBackup':
      return { kind: 'restore-backup', ...wire.value };
    case 'verifyBackup':
      return { kind: 'verify-backup', ...wire.value };
    case 'deleteBackups':
      return { kind: 'delete-backups', ...wire.value };
    case 'runCommand':
      return { kind: 'run-command', ...wire.value };
    case 'updateAgent':
      return { kind: 'update-agent', ...wire.value };
    default:
      return undefined;
  }
}

/** Versions and restore points become names of folders: nothing else may pass. */
function checkAction(action: OrderAction): Violation[] {
  if (action.kind === 'unusable') return [];
  const version = 'version' in action ? action.version : undefined;
  const restorePoint = 'restorePoint' in action ? action.restorePoint : undefined;
  const versionOptional = action.kind === 'collect-facts' && version === '';
  const staysAsItIs = action.kind === 'roll-back-release' || action.kind === 'downgrade-release';
  const restoreOptional = staysAsItIs && restorePoint === '';
  return collect(
    action.kind === 'update-agent' ? undefined : checkId('product', action.product),
    version === undefined || versionOptional ? undefined : checkVersion('version', version),
    action.kind === 'run-command' ? checkId('command', action.command) : undefined,
    action.kind !== 'watch-health' || (action.durationMs >= 1 && action.durationMs <= DAY_MS)
      ? undefined
      : { field: 'duration_ms', description: `is ${action.durationMs} and must be 1 to ${DAY_MS}` },
    restorePoint === undefined || restoreOptional || RESTORE_POINT.test(restorePoint)
      ? undefined
      : { field: 'restore_point', description: 'is no name of a restore point' },
    action.kind !== 'delete-backups' || areRestorePoints(action.restorePoints)
      ? undefined
      : { field: 'restore_points', description: `must be 1 to ${MAX_RESTORE_POINTS} names of restore points` },
  );
}

const MAX_RESTORE_POINTS = 1_000;

function areRestorePoints(names: readonly string[]): boolean {
  return names.length >= 1 && names.length <= MAX_RESTORE_POINTS && names.every((name) => RESTORE_POINT.test(name));
}

export function resultToWire(result: OrderResult): hostOrderV1.OrderResult {
  return {
    failure: result.failure && failureToWire(result.failure),
    installedVersion: result.installedVersion,
    finishedAt: atToDate(result.finishedAt),
    evidence: result.evidence && evidenceToWire(result.evidence),
  };
}

function evidenceToWire(evidence: Evidence): hostOrderV1.OrderResult['evidence'] {
  switch (evidence.kind) {
    case 'facts':
      return { $case: 'facts', value: factsToWire(evidence.facts) };
    case 'backup':
      return { $case: 'backup', value: backupToWire(evidence.backup) };
    case 'stage': {
      const { downloadedBytes, reusedBytes, fileCount } = evidence;
      return {
        $case: 'stage',
        value: { downloadedBytes: BigInt(downloadedBytes), reusedBytes: BigInt(reusedBytes), fileCount },
      };
    }
    case 'command':
      return { $case: 'command', value: { output: evidence.output, durationMs: BigInt(evidence.durationMs) } };
    case 'install':
      return {
        $case: 'install',
        value: {
          steps: [...evidence.steps],
          dataChanged: evidence.dataChanged,
          leftOvers: [...(evidence.leftOvers ?? [])],
        },
      };
  }
}

function backupToWire(backup: BackupEvidence): hostOrderV1.BackupEvidence {
  return {
    restorePoint: backup.restorePoint,
    takenAt: atToDate(backup.takenAt),
    sizeBytes: BigInt(backup.sizeBytes),
    sha256: backup.sha256,
    verified: backup.verified,
    version: backup.version,
    storedBytes: BigInt(backup.storedBytes ?? 0),
    keyId: backup.keyId ?? '',
    verifiedAt: backup.verifiedAt === undefined ? undefined : atToDate(backup.verifiedAt),
    folder: backup.folder ?? '',
  };
}

function factsToWire(facts: HostFacts): hostOrderV1.HostFacts {
  const { os, osVersion, architecture, cpuCount, agentVersion, installedVersion, staged, canBackUp } = facts;
  return {
    ...{ os, osVersion, architecture, cpuCount, agentVersion, installedVersion, staged, canBackUp },
    memoryBytes: BigInt(facts.memoryBytes),
    stageFreeBytes: BigInt(facts.stageFreeBytes ?? 0),
    backupFreeBytes: BigInt(facts.backupFreeBytes ?? 0),
    dataBytes: BigInt(facts.dataBytes ?? 0),
    backupNeededBytes: BigInt(facts.backupNeededBytes ?? 0),
    clock: atToDate(facts.clockAt),
    antivirus: facts.antivirus && { ...facts.antivirus, exceptions: [...facts.antivirus.exceptions] },
    lastBackup: facts.lastBackup && backupToWire(facts.lastBackup),
    ports: [...facts.ports],
    volumes: { ...facts.volumes },
    dataFreeBytes: BigInt(facts.dataFreeBytes ?? 0),
    addresses: [...(facts.addresses ?? [])],
    reached: (facts.reached ?? []).map((fact) => ({ ...fact })),
    vendorChecks: (facts.vendorChecks ?? []).map((check) => ({ ...check })),
    certificates: (facts.certificates ?? []).map(({ whose, expiresAt, why }) => ({
      ...{ whose, why },
      expiresAt: expiresAt === undefined ? undefined : atToDate(expiresAt),
    })),
    unknown: { ...facts.unknown },
  };
}
