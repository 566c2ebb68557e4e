import { commonV1, schedulerV1 } from '@lastcall/contracts';
import { isRejected } from '@lastcall/kernel';
import { parseJob } from './parse-job.js';

const { SOFTWARE_UPDATE, DATA_BACKUP } = commonV1.JobType;

function job(more: Partial<schedulerV1.Job>): schedulerV1.Job {
  return schedulerV1.Job.fromPartial({
    ...{ title: 'Back', type: SOFTWARE_UPDATE, version: '11.0.0', downgrade: { dataFrom: '' } },
    start: { condition: { $case: 'immediate', value: {} } },
    ...more,
  });
}

describe('the way to an older version', () => {
  it.each(['', 'rp-r-1'])('is taken with its data from "%s"', (dataFrom) =>
    expect(parseJob(job({ downgrade: { dataFrom } }), 'back')).toMatchObject({ downgrade: { dataFrom } }),
  );

  it('is no part of a job that does not say so', () => {
    const parsed = parseJob(schedulerV1.Job.fromPartial({ ...job({}), downgrade: undefined }), 'back');
    expect('downgrade' in parsed).toBe(false);
  });

  it.each([
    ['job.version', { version: '' }],
    ['job.backup_mode', { backupMode: commonV1.BackupMode.MADE_ELSEWHERE }],
    ['job.downgrade', { type: DATA_BACKUP }],
    ['job.downgrade.data_from', { downgrade: { dataFrom: '../etc' } }],
  ])('names %s when it is wrong', (field, more) => {
    const parsed = parseJob(job(more), 'back');
    if (!isRejected(parsed)) throw new Error('it was taken');
    expect(parsed.violations.map((v) => v.field)).toEqual([field]);
  });
});

describe('a maintenance window', () => {
  const { MAINTENANCE_WINDOW: type } = commonV1.JobType;
  const hours = (n: bigint) => ({ seconds: n * 3_600n, nanos: 0 });
  const window = (more: Partial<schedulerV1.Job> = {}) =>
    parseJob(job({ type, version: '', downgrade: undefined, closedFor: hours(2n), ...more }), 'night');

  it('has two hours beside what it takes, within a day', () => {
    expect(window()).toMatchObject({ closedForMs: 7_200_000, maxRunTimeMs: 14_400_000 });
    expect(window({ reactionTime: hours(1n) })).toMatchObject({ maxRunTimeMs: 18_000_000 });
    expect(window({ closedFor: hours(23n) })).toMatchObject({ maxRunTimeMs: 86_400_000 });
    expect(window({ maxRunTime: hours(3n) })).toMatchObject({ maxRunTimeMs: 10_800_000 });
  });
});
