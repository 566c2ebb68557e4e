import type { RunSpec } from '@lastcall/kernel';

/** An update of an installation with users and one host, with whatever a test is about. */
export function sampleSpec(more: Partial<RunSpec> = {}): RunSpec {
  return {
    run: 'r-1',
    installation: 'berlin',
    job: 'nightly',
    type: 'software-update',
    kind: 'multi-user',
    product: 'encore',
    fromVersion: '11.0.0',
    toVersion: '11.1.0',
    hosts: [{ host: 'server', role: 'server', mayFollowLater: false }],
    reactionTimeMs: 1_000,
    message: '',
    backupMode: 'take',
    backupMaxAgeMs: 1,
    fence: 1,
    nominalAt: 0,
    startedAt: 0,
    deadlineAt: 100,
    requestedBy: 'anna',
    timeZone: 'Europe/Berlin',
    holdsAllowed: false,
    whatsNew: '',
    ...more,
  };
}
