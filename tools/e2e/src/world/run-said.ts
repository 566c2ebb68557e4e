import { catalogV1, commonV1, eventsV1, runSpecToWire } from '@lastcall/contracts';
import { HOUR_MS, MINUTE_MS, randomId, type RunSpec } from '@lastcall/kernel';
import { INSTALLATION } from './services.js';

/* What the other services say to the session service, for tests in which only that one runs. */

export const VERSION = '1.0.0';
export const NEXT_VERSION = '1.1.0';

export function installationKnown(more: Partial<catalogV1.Installation> = {}): eventsV1.InstallationChanged {
  return eventsV1.InstallationChanged.fromPartial({
    installation: catalogV1.Installation.fromPartial({
      name: `installations/${INSTALLATION}`,
      product: 'tiny',
      kind: commonV1.InstallationKind.MULTI_USER,
      timeZone: 'UTC',
      installedVersion: VERSION,
      reactionTime: { seconds: 2n, nanos: 0 },
      ...more,
    }),
  });
}

/** A run that shuts the gate, of an installation without terminal servers. */
export function drainingRun(more: Partial<RunSpec> = {}): RunSpec {
  const now = Date.now();
  return {
    run: randomId('r'),
    installation: INSTALLATION,
    job: 'update',
    type: 'software-update',
    kind: 'multi-user',
    product: 'tiny',
    fromVersion: VERSION,
    toVersion: NEXT_VERSION,
    hosts: [{ host: 'srv', role: 'server', mayFollowLater: false }],
    reactionTimeMs: 300,
    message: '',
    backupMode: 'take',
    backupMaxAgeMs: 48 * HOUR_MS,
    fence: 1,
    nominalAt: now,
    startedAt: now,
    deadlineAt: now + 30 * MINUTE_MS,
    requestedBy: 'operator',
    timeZone: 'UTC',
    holdsAllowed: false,
    whatsNew: '',
    ...more,
  };
}

export function staged(run: RunSpec): eventsV1.StagingCompleted {
  return { run: runSpecToWire(run), absentHosts: [] };
}

export function backedUp(run: RunSpec): eventsV1.BackupTaken {
  return { run: runSpecToWire(run), backup: undefined };
}

export function cancelledRun(run: RunSpec): eventsV1.RunCancelled {
  return { run: runSpecToWire(run), requestedBy: 'otto', reason: 'Not today.', expired: false };
}
