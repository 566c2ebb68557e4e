import type { JobDefinition } from '../domain/job.js';

/** An update at a time of its own, with whatever a test is about. */
export function sampleDefinition(more: Partial<JobDefinition> = {}): JobDefinition {
  return {
    title: 'Encore 11.1',
    type: 'software-update',
    start: { kind: 'time', localTime: '2026-11-28T22:00:00' },
    version: '',
    serviceHost: '',
    maxRunTimeMs: 1,
    followUpJob: '',
    remarks: '',
    reactionTimeMs: undefined,
    message: '',
    backupMode: 'take',
    runIfLateWithinMs: 1,
    holdsAllowed: false,
    ...more,
  };
}
