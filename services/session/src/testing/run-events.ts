import { catalogV1, commonV1, eventsV1, runSpecToWire } from '@lastcall/contracts';
import { HOUR_MS, MINUTE_MS, randomId, type RunSpec } from '@lastcall/kernel';

/* What the other services say in tests. */

export const INSTALLATION = 'encore-berlin';

export function runSpec(more: Partial<RunSpec> = {}): RunSpec {
  const now = Date.now();
  return {
    run: randomId('r'),
    installation: INSTALLATION,
    job: 'update',
    type: 'software-update',
    kind: 'multi-user',
    product: 'encore',
    fromVersion: '11.0.0',
    toVersion: '11.1.0',
    hosts: [
      { host: 'srv', role: 'server', mayFollowLater: false },
      { host: 'ts1', role: 'terminal-server', mayFollowLater: false },
      { host: 'ws1', role: 'workstation', mayFollowLater: true },
    ],
    reactionTimeMs: 1_500,
    message: '',
    backupMode: 'take',
    backupMaxAgeMs: 48 * HOUR_MS,
    fence: 1,
    nominalAt: now,
    startedAt: now,
    deadlineAt: now + 30 * MINUTE_MS,
    requestedBy: 'operator',
    timeZone: 'Europe/Berlin',
    holdsAllowed: false,
    whatsNew: '',
    ...more,
  };
}

export function withoutTerminalServers(more: Partial<RunSpec> = {}): RunSpec {
  return runSpec({ hosts: [{ host: 'srv', role: 'server', mayFollowLater: false }], ...more });
}

export function installationChanged(more: Partial<catalogV1.Installation> = {}): eventsV1.InstallationChanged {
  return eventsV1.InstallationChanged.fromPartial({
    installation: catalogV1.Installation.fromPartial({
      name: `installations/${INSTALLATION}`,
      product: 'encore',
      kind: commonV1.InstallationKind.MULTI_USER,
      timeZone: 'Europe/Berlin',
      installedVersion: '11.0.0',
      reactionTime: { seconds: 2n, nanos: 0 },
      ...more,
    }),
  });
}

export function stagingCompleted(run: RunSpec): eventsV1.StagingCompleted {
  return { run: runSpecToWire(run), absentHosts: [] };
}

export function backupTaken(run: RunSpec): eventsV1.BackupTaken {
  return { run: runSpecToWire(run), backup: undefined };
}

export function installationUpdated(run: RunSpec): eventsV1.InstallationUpdated {
  return { run: runSpecToWire(run), absentHosts: [] };
}

const why = commonV1.Failure.fromPartial({ reason: 'HEALTH', message: 'It did not become healthy.' });

export function rolledBack(run: RunSpec): eventsV1.InstallationRolledBack {
  return { run: runSpecToWire(run), failure: why, dataRestored: true };
}

export function quarantined(run: RunSpec, ...hosts: readonly string[]): eventsV1.InstallationQuarantined {
  return { run: runSpecToWire(run), failure: why, rollbackFailures: hosts.map((host) => ({ ...why, host })) };
}

export function cancelled(run: RunSpec): eventsV1.RunCancelled {
  return { run: runSpecToWire(run), requestedBy: 'otto', reason: 'Not today.', expired: false };
}

export function runPlanned(more: Partial<eventsV1.RunPlanned> = {}): eventsV1.RunPlanned {
  return eventsV1.RunPlanned.fromPartial({ installation: INSTALLATION, product: 'Encore', version: '11.1.0', ...more });
}

export function backupFailed(run: RunSpec): eventsV1.BackupFailed {
  return { run: runSpecToWire(run), failure: why };
}
