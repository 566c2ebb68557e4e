import { sampleSpec } from '../testing/sample-spec.js';
import { phaseAfter, phaseDurations } from './phases.js';

it('lasts until the next phase begins, the last one until the end, whichever were passed over', () => {
  expect(phaseDurations({ preflight: 0, staging: 10, installing: 50 }, 90)).toEqual([
    { phase: 'preflight', ms: 10 },
    { phase: 'staging', ms: 40 },
    { phase: 'installing', ms: 40 },
  ]);
  expect(phaseDurations({}, 90)).toEqual([]);
});

it('is never shorter than nothing, whatever the clocks of others say', () => {
  expect(phaseDurations({ preflight: 20, staging: 10 }, 5).map(({ ms }) => ms)).toEqual([0, 0]);
});

it('is another one for who stages nothing or drains nobody', () => {
  expect(phaseAfter(sampleSpec(), 'preflight', 'PreflightPassed')).toBe('staging');
  expect(phaseAfter(sampleSpec({ type: 'data-backup' }), 'preflight', 'PreflightPassed')).toBe('backing-up');
  expect(phaseAfter(sampleSpec(), 'staging', 'StagingCompleted')).toBe('draining');
  expect(phaseAfter(sampleSpec({ kind: 'single-user' }), 'staging', 'StagingCompleted')).toBe('backing-up');
  expect(phaseAfter(sampleSpec(), 'installing', 'StagingCompleted')).toBe('installing');
});
