import { commonV1, schedulerV1 } from '@lastcall/contracts';
import { isRejected } from '@lastcall/kernel';
import { parseJob } from './parse-job.js';

/*
 * What is wrong with a job by itself, each alone: the field is named, and what is allowed. All of them together are named together.
 */

type Condition = NonNullable<schedulerV1.StartCondition['condition']>;

const start = (condition: Condition): Partial<schedulerV1.Job> => ({ start: { condition } });
const time = (localTime: string) => start({ $case: 'time', value: { localTime } });
const series = (cron: string) => start({ $case: 'series', value: { cron } });
const idle = (idleMinutes: number, windowOpens: string, windowCloses: string) =>
  start({ $case: 'whenIdle', value: { idleMinutes, windowOpens, windowCloses } });
const seconds = (n: bigint) => ({ seconds: n, nanos: 0 });
const IDLE = 'job.start.when_idle';
const NOW = start({ $case: 'immediate', value: {} });

const WINDOW = { type: commonV1.JobType.MAINTENANCE_WINDOW, closedFor: seconds(7_200n) };

const COMMAND = { type: commonV1.JobType.RUN_COMMAND, command: 'reindex' };

const GOOD = schedulerV1.Job.fromPartial({
  ...{ title: 'Update', type: commonV1.JobType.SOFTWARE_UPDATE },
  ...time('2026-11-28T22:00'),
});

const WRONG: readonly (readonly [string, string, Partial<schedulerV1.Job>, string])[] = [
  ['no title', 'job.title', { title: '' }, 'at least 1'],
  ['a title of 201 characters', 'job.title', { title: 'x'.repeat(201) }, 'at most 200'],
  ['a title that hides text', 'job.title', { title: 'a\u202eb' }, 'control character'],
  ['no type', 'job.type', { type: 0 }, 'allowed are software-update, data-backup, maintenance-window'],
  ['a type of a newer version', 'job.type', { type: 99 as commonV1.JobType }, 'allowed are'],
  ['remarks of 4,001 characters', 'job.remarks', { remarks: 'x'.repeat(4_001) }, 'at most 4000'],
  ['a message of 4,001 characters', 'job.message', { message: 'x'.repeat(4_001) }, 'at most 4000'],
  ['a version that is none', 'job.version', { version: 'latest' }, ''],
  ['a host that is no id', 'job.service_host', { serviceHost: '../srv1' }, 'a-z, 0-9'],
  ['a follow-up that is no id', 'job.follow_up_job', { followUpJob: 'X' }, 'a-z, 0-9'],
  ['itself as its follow-up', 'job.follow_up_job', { followUpJob: 'nightly' }, 'the job itself'],
  ['a run of a second', 'job.max_run_time', { maxRunTime: seconds(1n) }, '1 min to 24 h'],
  ['a run of two days', 'job.max_run_time', { maxRunTime: seconds(172_800n) }, '1 min to 24 h'],
  ['a run of 2^63 seconds', 'job.max_run_time', { maxRunTime: seconds(9_223_372_036_854_775_807n) }, '1 min to 24 h'],
  ['a negative reaction time', 'job.reaction_time', { reactionTime: seconds(-1n) }, '0 s to 24 h'],
  ['a negative lateness', 'job.run_if_late_within', { runIfLateWithin: seconds(-1n) }, '0 s to 24 h'],
  ['no start', 'job.start', { start: undefined }, 'missing'],
  ['an empty start', 'job.start', { start: { condition: undefined } }, 'missing'],
  ['a day that does not exist', 'job.start.time.local_time', time('2026-02-30T10:00'), '2026-11-28T22:00'],
  ['a leap second', 'job.start.time.local_time', time('2026-12-31T23:59:60'), '2026-11-28T22:00'],
  ['the year 1', 'job.start.time.local_time', time('0001-01-01T00:00'), '2000 to 2999'],
  ['the year 9999', 'job.start.time.local_time', time('9999-12-31T23:59'), '2000 to 2999'],
  ['a time with a zone', 'job.start.time.local_time', time('2026-11-28T22:00Z'), '2026-11-28T22:00'],
  ['a very long time', 'job.start.time.local_time', time('2'.repeat(100_000)), '2026-11-28T22:00'],
  ['a series of six fields', 'job.start.series.cron', series('0 0 3 * * *'), 'five fields'],
  ['a series that never comes', 'job.start.series.cron', series('0 3 30 2 *'), 'never comes'],
  ['a series of 101 characters', 'job.start.series.cron', series(`0 3 * * ${'1'.repeat(93)}`), 'allowed are 100'],
  [
    '17 labels',
    'job.labels',
    { labels: Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`k${n}`, 'v'])) },
    '16',
  ],
  ['6 tries after the first', 'job.retries', { retries: 6 }, '0 to 5'],
  ['tries without a pause', 'job.retry_pause', { retryPause: seconds(0n) }, '1 min to 4 h'],
  ['a label in capitals', 'job.labels', { labels: { Ticket: '1' } }, 'a-z, 0-9 and -'],
  ['a label of nothing', 'job.labels', { labels: { ticket: '' } }, '1 to 63'],
  [
    ...(['hosts left out of a backup', 'job.excluded_hosts'] as const),
    { excludedHosts: ['ws1'], type: commonV1.JobType.DATA_BACKUP },
    'software updates only',
  ],
  ['1,001 hosts left out', 'job.excluded_hosts', { excludedHosts: Array.from({ length: 1_001 }, () => 'ws1') }, '1000'],
  ['a host left out that is none', 'job.excluded_hosts', { excludedHosts: ['ws1', '../ws2'] }, 'a-z, 0-9 and -'],
  ['nobody for 0 minutes', `${IDLE}.idle_minutes`, idle(0, '2026-11-28T20:00', '2026-11-28T23:00'), '1 to 240'],
  ['nobody for 241 minutes', `${IDLE}.idle_minutes`, idle(241, '2026-11-28T20:00', '2026-11-29T23:00'), '1 to 240'],
  ['a window that opens never', `${IDLE}.window_opens`, idle(5, '2026-02-30T20:00', '2026-11-28T23:00'), '2000 to'],
  ['an end before the start', `${IDLE}.window_closes`, idle(5, '2026-11-28T20:00', '2026-11-28T19:00'), 'before it'],
  ['an end at the start', `${IDLE}.window_closes`, idle(5, '2026-11-28T20:00', '2026-11-28T20:00'), 'before it'],
  ['a window that is too short', `${IDLE}.window_closes`, idle(61, '2026-11-28T20:00', '2026-11-28T21:00'), '61 min'],
  ['a window of two months', `${IDLE}.window_closes`, idle(5, '2026-11-28T20:00', '2027-01-28T21:00'), '31 days'],
  ['a latest start at 24:00', 'job.latest_start', { latestStart: '24:00' }, '00:00 to 23:59'],
  ['a window of a start at once', 'job.window_end', { ...NOW, windowEnd: '04:00' }, 'time and series'],
  ['a window of words', 'job.window_end', { windowEnd: 'midnight' }, '00:00 to 23:59'],
  ['a window that ends with a leap second', 'job.window_end', { windowEnd: '23:59:60' }, '00:00 to 23:59'],
];

/** What is wrong for this type only. */
const WRONG_WINDOWS: typeof WRONG = [
  ['a closed time of an update', 'job.closed_for', { closedFor: seconds(60n) }, 'for maintenance windows only'],
  ['a window without an end', 'job.closed_for', { ...WINDOW, closedFor: undefined }, 'missing'],
  ['a window of no time', 'job.closed_for', { ...WINDOW, closedFor: seconds(0n) }, '1 s to 23 h'],
  ['a window of a negative time', 'job.closed_for', { ...WINDOW, closedFor: seconds(-60n) }, '1 s to 23 h'],
  ['a window of a day', 'job.closed_for', { ...WINDOW, closedFor: seconds(86_400n) }, '1 s to 23 h'],
  ['a window of 2^63 seconds', 'job.closed_for', { ...WINDOW, closedFor: seconds(9_223_372_036_854_775_807n) }, '1 s'],
  ['a window with a version', 'job.version', { ...WINDOW, version: '11.1.0' }, 'nothing is installed'],
  ['a window on a host', 'job.service_host', { ...WINDOW, serviceHost: 'srv1' }, 'nothing is installed'],
  ['a window without a host', 'job.excluded_hosts', { ...WINDOW, excludedHosts: ['ts1'] }, 'software updates only'],
  ['a window with a backup', 'job.backup_mode', { ...WINDOW, backupMode: commonV1.BackupMode.MADE_ELSEWHERE }, ''],
];

const WRONG_COMMANDS: typeof WRONG = [
  ['a command of an update', 'job.command', { command: 'reindex' }, 'run-command only'],
  ['hosts of a command of an update', 'job.command_hosts', { commandHosts: ['srv1'] }, 'run-command only'],
  ['a run-command without one', 'job.command', { ...COMMAND, command: '' }, 'missing'],
  ['a shell line', 'job.command', { ...COMMAND, command: 'reindex; rm -rf /' }, 'a-z, 0-9'],
  ['a path', 'job.command', { ...COMMAND, command: '../reindex' }, 'a-z, 0-9'],
  ['a command of 64 characters', 'job.command', { ...COMMAND, command: 'x'.repeat(64) }, '63'],
  ['a command on what is no host', 'job.command_hosts', { ...COMMAND, commandHosts: ['srv1', '../'] }, 'a-z, 0-9'],
  [
    ...(['a command on 1,001 hosts', 'job.command_hosts'] as const),
    { ...COMMAND, commandHosts: Array.from({ length: 1_001 }, () => 'ws1') },
    '1000',
  ],
  ['a command with a version', 'job.version', { ...COMMAND, version: '11.1.0' }, 'nothing is installed'],
  [
    'a command with a host for backups',
    'job.service_host',
    { ...COMMAND, serviceHost: 'srv1' },
    'nothing is installed',
  ],
  ['a command with a backup', 'job.backup_mode', { ...COMMAND, backupMode: commonV1.BackupMode.MADE_ELSEWHERE }, ''],
  ['a command with a closed time', 'job.closed_for', { ...COMMAND, closedFor: seconds(60n) }, 'maintenance windows'],
  ['a command without some hosts', 'job.excluded_hosts', { ...COMMAND, excludedHosts: ['ws1'] }, 'updates only'],
];

it.each([...WRONG, ...WRONG_WINDOWS, ...WRONG_COMMANDS])('refuses %s', (_, field, more, allowed) => {
  const parsed = parseJob(schedulerV1.Job.fromPartial({ ...GOOD, ...more }), 'nightly');
  if (!isRejected(parsed)) throw new Error('it was taken');
  expect(parsed.violations.map((v) => v.field)).toEqual([field]);
  expect(parsed.message).toContain(allowed);
  expect(parsed.message.length).toBeLessThan(500);
});

it('names everything that is wrong at once', () => {
  // One of each field; there is one start.
  const fields = new Map(WRONG.filter(([, field]) => !field.startsWith('job.start')).map((row) => [row[1], row[2]]));
  const all = Object.assign({}, ...fields.values(), time('1')) as Partial<schedulerV1.Job>;
  const parsed = parseJob(schedulerV1.Job.fromPartial({ ...GOOD, ...all }), 'nightly');
  if (!isRejected(parsed)) throw new Error('it was taken');
  const expected = [...fields.keys(), 'job.start.time.local_time'].toSorted();
  expect(parsed.violations.map((v) => v.field).toSorted()).toEqual(expected);
});

it('takes what is right', () => {
  for (const more of [
    {},
    { latestStart: '23:30', windowEnd: '04:00' },
    NOW,
    WINDOW,
    COMMAND,
    { ...COMMAND, commandHosts: ['ts1', 'ts2'] },
    idle(5, '2026-11-28T20:00', '2026-11-28T23:00'),
  ]) {
    expect(isRejected(parseJob(schedulerV1.Job.fromPartial({ ...GOOD, ...more }), 'nightly'))).toBe(false);
  }
});
